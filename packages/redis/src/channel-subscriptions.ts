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
  /** Subscribed on the current link, with the acknowledgement of the SUBSCRIBE that was sent last. */
  readonly #sent = new Map<string, Promise<void>>();
  readonly #changed = new Set<string>();
  #sync: Promise<void> | undefined;

  constructor(options: ChannelSubscriptionsOptions) {
    this.#options = options;
  }

  /** A channel has become wanted or unwanted. Resolves when Redis has acknowledged it or, while it is unreachable, at once. */
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

  /** Subscribes again to every reachable channel, and on the way in last to the marks. @throws HublineError `backplane_unavailable` */
  async all(): Promise<void> {
    const { store, keys, self, channels, status } = this.#options;
    this.#send(); // unsubscribes unwanted channels first
    this.#sent.clear();
    for (const slice of slices(channels)) await this.#subscribe(slice.filter((channel) => this.#isToBeSent(channel)));
    // Channels that became wanted meanwhile were sent by `changed`.
    await Promise.all(this.#sent.values());
    if (status.isEntering) await store.subscribe(store.tags().map((tag) => keys.marker(self.process, tag)));
  }

  /** Some or all channels became unreachable. */
  down(): void {
    for (const channel of this.#sent.keys()) if (!this.#options.availability.hasChannel(channel)) this.#sent.delete(channel);
  }

  #send(): void {
    const { store, channels, status, observer, events } = this.#options;
    const changed = [...this.#changed];
    this.#changed.clear();
    const unwanted = changed.filter((channel) => this.#sent.has(channel) && !channels.has(channel));
    for (const channel of unwanted) this.#sent.delete(channel);
    if (unwanted.length > 0) {
      store.unsubscribe(unwanted.map(this.#keyOf)).catch((error: unknown) => {
        if (status.isUp) observer.report('subscribe', error);
      });
    }
    const wanted = changed.filter((channel) => this.#isToBeSent(channel));
    for (const slice of slices(wanted)) void this.#subscribe(slice).catch((error: unknown) => events.commandFailed(error));
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
        // A failed subscription is made again with the next link, so callers do not wait for it.
        const settled = acknowledged.catch(() => undefined);
        for (const channel of group) this.#sent.set(channel, settled);
        return acknowledged;
      }),
    );
  }

  readonly #keyOf = (channel: string): string => this.#options.keys.channel(channel);
}
