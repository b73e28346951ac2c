import type { Channels } from './channels.ts';
import { slices } from './entries.ts';
import type { LinkContext } from './link-context.ts';
import { byShard } from './store.ts';

export interface ChannelSubscriptionsOptions extends Pick<
  LinkContext,
  'self' | 'store' | 'keys' | 'availability' | 'status' | 'observer' | 'events'
> {
  readonly channels: Channels;
}

/** Keeps this node's subscriptions in Redis equal to its {@link Channels}. */
export class ChannelSubscriptions {
  readonly #options: ChannelSubscriptionsOptions;
  /** The channels that are subscribed on the current connections, with the acknowledgement of the last SUBSCRIBE. */
  readonly #sent = new Map<string, Promise<void>>();
  readonly #changed = new Set<string>();
  #sync: Promise<void> | undefined;

  constructor(options: ChannelSubscriptionsOptions) {
    this.#options = options;
  }

  /** Subscribes or unsubscribes a channel that was added or removed. Resolves when Redis has acknowledged, or at once while the channel is unavailable. */
  async changed(channel: string): Promise<void> {
    this.#changed.add(channel);
    await (this.#sync ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#sync = undefined;
        this.#send();
        resolve();
      });
    }));
    await this.#sent.get(channel);
  }

  /** Subscribes to every available channel and, if this node enters the cluster, last to the marker channels. @throws HublineError `backplane_unavailable` */
  async all(): Promise<void> {
    const { store, keys, self, channels, status } = this.#options;
    this.#send(); // unsubscribes removed channels first
    this.#sent.clear();
    for (const slice of slices(channels)) await this.#subscribe(slice.filter((channel) => this.#isToBeSent(channel)));
    // `changed` has subscribed to channels that were added meanwhile.
    await Promise.all(this.#sent.values());
    if (status.isEntering) await store.subscribe(store.tags().map((tag) => keys.marker(self.process, tag)));
  }

  /** Forgets the subscriptions to channels that became unavailable. */
  down(): void {
    for (const channel of this.#sent.keys()) if (!this.#options.availability.hasChannel(channel)) this.#sent.delete(channel);
  }

  #send(): void {
    const { store, channels, status, observer, events } = this.#options;
    const changed = [...this.#changed];
    this.#changed.clear();
    const removed = changed.filter((channel) => this.#sent.has(channel) && !channels.has(channel));
    for (const channel of removed) this.#sent.delete(channel);
    if (removed.length > 0) {
      store.unsubscribe(removed.map(this.#keyOf)).catch((error: unknown) => {
        if (status.isUp) observer.report('subscribe', error);
      });
    }
    const added = changed.filter((channel) => this.#isToBeSent(channel));
    for (const slice of slices(added)) void this.#subscribe(slice).catch((error: unknown) => events.commandFailed(error));
  }

  #isToBeSent(channel: string): boolean {
    const { channels, status, availability } = this.#options;
    return !this.#sent.has(channel) && channels.has(channel) && (status.isEntering || availability.hasChannel(channel));
  }

  async #subscribe(channels: readonly string[]): Promise<void> {
    const { store } = this.#options;
    await Promise.all(
      byShard(store, channels, this.#keyOf).map((group) => {
        const acknowledged = store.subscribe(group.map(this.#keyOf));
        // A failed subscription is repeated after the outage, so callers do not wait for it.
        const settled = acknowledged.catch(() => undefined);
        for (const channel of group) this.#sent.set(channel, settled);
        return acknowledged;
      }),
    );
  }

  readonly #keyOf = (channel: string): string => this.#options.keys.channel(channel);
}
