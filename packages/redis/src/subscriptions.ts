import { byShard, type Store } from './store.ts';

/** Channels per SUBSCRIBE. Redis answers once per channel, so a longer command would delay other clients. */
const SLICE = 500;

/** Keeps this node's subscriptions in Redis equal to the wanted channels. */
export class Subscriptions {
  readonly #store: Store;
  readonly #isWanted: (channel: string) => boolean;
  readonly #wanted: () => Iterable<string>;
  readonly #marks: () => readonly string[];
  readonly #reaches: (channel: string) => boolean;
  readonly #channelOf: (name: string) => string;
  readonly #failed: (error: unknown) => void;
  readonly #report: (error: unknown) => void;
  /** Subscribed on the current link, with the acknowledgement of the SUBSCRIBE that was sent last. */
  readonly #sent = new Map<string, Promise<void>>();
  readonly #changed = new Set<string>();
  #sync: Promise<void> | undefined;
  /** From `all` until the next loss: subscribes also to channels that are not reachable yet. */
  #isEntering = false;

  constructor({ store, channelOf, isWanted, wanted, marks, reaches, failed, report }: SubscriptionsOptions) {
    this.#store = store;
    this.#marks = marks;
    this.#reaches = reaches;
    this.#channelOf = channelOf;
    this.#isWanted = isWanted;
    this.#wanted = wanted;
    this.#failed = failed;
    this.#report = report;
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

  /** Subscribes to every wanted channel on a new link. @throws HublineError `backplane_unavailable` */
  all(): Promise<void> {
    this.#isEntering = true;
    return this.again();
  }

  /** Subscribes again to every reachable channel, and last to the marks where all are reachable. @throws HublineError `backplane_unavailable` */
  async again(): Promise<void> {
    this.#send(); // unsubscribes unwanted channels first
    this.#sent.clear();
    const channels = [...new Set(this.#wanted())];
    for (let i = 0; i < channels.length; i += SLICE) {
      const slice = channels.slice(i, i + SLICE).filter((channel) => this.#isToBeSent(channel));
      await this.#subscribe(slice);
    }
    // Channels that became wanted meanwhile were sent by `changed`.
    await Promise.all(this.#sent.values());
    if (this.#isEntering) await this.#store.subscribe(this.#marks());
  }

  /** Some or all channels became unreachable. */
  down(): void {
    this.#isEntering = false;
    for (const channel of this.#sent.keys()) if (!this.#reaches(channel)) this.#sent.delete(channel);
  }

  #send(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    const unwanted = changed.filter((channel) => this.#sent.has(channel) && !this.#isWanted(channel));
    for (const channel of unwanted) this.#sent.delete(channel);
    if (unwanted.length > 0) {
      this.#store.unsubscribe(unwanted.map(this.#channelOf)).catch(this.#report);
    }
    const wanted = changed.filter((channel) => this.#isToBeSent(channel));
    for (let i = 0; i < wanted.length; i += SLICE) void this.#subscribe(wanted.slice(i, i + SLICE)).catch(this.#failed);
  }

  #isToBeSent(channel: string): boolean {
    return !this.#sent.has(channel) && this.#isWanted(channel) && (this.#isEntering || this.#reaches(channel));
  }

  async #subscribe(channels: readonly string[]): Promise<void> {
    await Promise.all(
      byShard(this.#store, channels, this.#channelOf).map((group) => {
        const acknowledged = this.#store.subscribe(group.map(this.#channelOf));
        // A failed subscription is made again with the next link, so callers do not wait for it.
        const settled = acknowledged.catch(() => undefined);
        for (const channel of group) this.#sent.set(channel, settled);
        return acknowledged;
      }),
    );
  }
}

interface SubscriptionsOptions {
  readonly store: Store;
  /** A channel's name in Redis. */
  readonly channelOf: (name: string) => string;
  readonly isWanted: (channel: string) => boolean;
  readonly wanted: () => Iterable<string>;
  /** The marks' names in Redis. */
  readonly marks: () => readonly string[];
  readonly reaches: (channel: string) => boolean;
  /** Called when Redis refuses a subscription. */
  readonly failed: (error: unknown) => void;
  readonly report: (error: unknown) => void;
}
