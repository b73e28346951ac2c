import type { Store } from './store.ts';

/** Redis answers a SUBSCRIBE once per channel: so many at once hold up nobody for long. */
const SLICE = 500;

/** The channels that this node hears, as Redis has been told. */
export class Subscriptions {
  readonly #store: Store;
  readonly #isWanted: (channel: string) => boolean;
  readonly #wanted: () => Iterable<string>;
  readonly #channelOf: (name: string) => string;
  readonly #dropped: (channel: string) => void;
  readonly #failed: (error: unknown) => void;
  readonly #report: (error: unknown) => void;
  /** Subscribed on the current link, with the acknowledgement of the SUBSCRIBE that was sent last. */
  readonly #sent = new Map<string, Promise<void>>();
  readonly #changed = new Set<string>();
  #sync: Promise<void> | undefined;
  #isUp = false;

  constructor({ store, channelOf, isWanted, wanted, dropped, failed, report }: SubscriptionsOptions) {
    this.#store = store;
    this.#channelOf = channelOf;
    this.#dropped = dropped;
    this.#isWanted = isWanted;
    this.#wanted = wanted;
    this.#failed = failed;
    this.#report = report;
  }

  /** Whether the channel is wanted has changed. Resolves when Redis has acknowledged it or, while the link is down, at once. */
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

  /** On a new link: everything. @throws HublineError `backplane_unavailable` */
  async all(): Promise<void> {
    this.#sent.clear();
    this.#changed.clear();
    this.#isUp = true;
    const channels = [...new Set(this.#wanted())];
    for (let i = 0; i < channels.length; i += SLICE) {
      const slice = channels.slice(i, i + SLICE).filter((channel) => this.#isWanted(channel) && !this.#sent.has(channel));
      await this.#subscribe(slice);
    }
    // Those that came meanwhile were sent by `changed`.
    await Promise.all(this.#sent.values());
  }

  down(): void {
    this.#isUp = false;
    this.#sent.clear();
  }

  #send(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    if (!this.#isUp) return;
    const unwanted = changed.filter((channel) => this.#sent.has(channel) && !this.#isWanted(channel));
    for (const channel of unwanted) {
      this.#sent.delete(channel);
      this.#dropped(channel);
    }
    if (unwanted.length > 0) {
      // What still arrives there is for nobody.
      this.#store.unsubscribe(unwanted.map(this.#channelOf)).catch((error: unknown) => this.#isUp && this.#report(error));
    }
    const wanted = changed.filter((channel) => !this.#sent.has(channel) && this.#isWanted(channel));
    for (let i = 0; i < wanted.length; i += SLICE)
      void this.#subscribe(wanted.slice(i, i + SLICE)).catch((error: unknown) => this.#isUp && this.#failed(error));
  }

  #subscribe(channels: readonly string[]): Promise<void> {
    const acknowledged = this.#store.subscribe(channels.map(this.#channelOf));
    // While the link is down nobody waits: it is made when the link is back.
    const settled = acknowledged.catch(() => undefined);
    for (const channel of channels) this.#sent.set(channel, settled);
    return acknowledged;
  }
}

interface SubscriptionsOptions {
  readonly store: Store;
  /** Its name in Redis. */
  readonly channelOf: (name: string) => string;
  readonly isWanted: (channel: string) => boolean;
  readonly wanted: () => Iterable<string>;
  /** It is no longer heard. */
  readonly dropped: (channel: string) => void;
  /** Redis does not let this node hear what it has to hear. */
  readonly failed: (error: unknown) => void;
  readonly report: (error: unknown) => void;
}
