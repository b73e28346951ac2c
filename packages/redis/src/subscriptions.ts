import type { Channels } from './channels.ts';
import type { Context } from './context.ts';
import { slices } from './entries.ts';
import { byShard } from './store.ts';

export interface SubscriptionsOptions extends Pick<Context, 'self' | 'store' | 'keys' | 'isUp' | 'report'> {
  readonly channels: Channels;
  /** Whether this node has entered, or is about to: then it subscribes also to channels that are not reachable yet. */
  readonly isEntering: () => boolean;
  /** Whether a channel can be used. */
  readonly reaches: (channel: string) => boolean;
  /** Called when Redis refuses a subscription. */
  readonly failed: (error: unknown) => void;
}

/** Keeps this node's subscriptions in Redis equal to its {@link Channels}. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  /** Subscribed on the current link, with the acknowledgement of the SUBSCRIBE that was sent last. */
  readonly #sent = new Map<string, Promise<void>>();
  readonly #changed = new Set<string>();
  #sync: Promise<void> | undefined;

  constructor(options: SubscriptionsOptions) {
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
    const { store, keys, self, channels, isEntering } = this.#options;
    this.#send(); // unsubscribes unwanted channels first
    this.#sent.clear();
    for (const slice of slices(channels)) await this.#subscribe(slice.filter((channel) => this.#isToBeSent(channel)));
    // Channels that became wanted meanwhile were sent by `changed`.
    await Promise.all(this.#sent.values());
    if (isEntering()) await store.subscribe(store.tags().map((tag) => keys.mark(self.process, tag)));
  }

  /** Some or all channels became unreachable. */
  down(): void {
    for (const channel of this.#sent.keys()) if (!this.#options.reaches(channel)) this.#sent.delete(channel);
  }

  #send(): void {
    const { store, channels, failed, isUp, report } = this.#options;
    const changed = [...this.#changed];
    this.#changed.clear();
    const unwanted = changed.filter((channel) => this.#sent.has(channel) && !channels.has(channel));
    for (const channel of unwanted) this.#sent.delete(channel);
    if (unwanted.length > 0) {
      store.unsubscribe(unwanted.map(this.#nameOf)).catch((error: unknown) => (isUp() ? report('subscribe', error) : undefined));
    }
    const wanted = changed.filter((channel) => this.#isToBeSent(channel));
    for (const slice of slices(wanted)) void this.#subscribe(slice).catch(failed);
  }

  #isToBeSent(channel: string): boolean {
    const { channels, isEntering, reaches } = this.#options;
    return !this.#sent.has(channel) && channels.has(channel) && (isEntering() || reaches(channel));
  }

  async #subscribe(channels: readonly string[]): Promise<void> {
    const { store } = this.#options;
    await Promise.all(
      byShard(store, channels, this.#nameOf).map((group) => {
        const acknowledged = store.subscribe(group.map(this.#nameOf));
        // A failed subscription is made again with the next link, so callers do not wait for it.
        const settled = acknowledged.catch(() => undefined);
        for (const channel of group) this.#sent.set(channel, settled);
        return acknowledged;
      }),
    );
  }

  readonly #nameOf = (channel: string): string => this.#options.keys.channel(channel);
}
