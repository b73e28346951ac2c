import { byShard, type Store } from './store.ts';

/** Redis answers a SUBSCRIBE once per channel: so many at once hold up nobody for long. */
const SLICE = 500;

/** The channels that this node hears, as Redis has been told. */
export class Subscriptions {
  readonly #store: Store;
  readonly #isWanted: (channel: string) => boolean;
  readonly #wanted: () => Iterable<string>;
  readonly #marks: () => readonly string[];
  readonly #reaches: (channel: string) => boolean;
  readonly #channelOf: (name: string) => string;
  readonly #dropped: (channel: string) => void;
  readonly #failed: (error: unknown) => void;
  readonly #report: (error: unknown) => void;
  /** Subscribed on the current link, with the acknowledgement of the SUBSCRIBE that was sent last. */
  readonly #sent = new Map<string, Promise<void>>();
  readonly #changed = new Set<string>();
  #sync: Promise<void> | undefined;
  /** From `all` until something is lost: everything is subscribed to, also where it is not reached yet. */
  #isEntering = false;

  constructor({ store, channelOf, isWanted, wanted, marks, reaches, dropped, failed, report }: SubscriptionsOptions) {
    this.#store = store;
    this.#marks = marks;
    this.#reaches = reaches;
    this.#channelOf = channelOf;
    this.#dropped = dropped;
    this.#isWanted = isWanted;
    this.#wanted = wanted;
    this.#failed = failed;
    this.#report = report;
  }

  /** Whether the channel is wanted has changed. Resolves when Redis has acknowledged it or, while it is not reached, at once. */
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
  all(): Promise<void> {
    this.#isEntering = true;
    return this.again();
  }

  /** Everything that can be reached and, where that is everything, the marks last, which say so. @throws HublineError `backplane_unavailable` */
  async again(): Promise<void> {
    this.#send(); // what nobody wants any more is not left behind
    this.#sent.clear();
    const channels = [...new Set(this.#wanted())];
    for (let i = 0; i < channels.length; i += SLICE) {
      const slice = channels.slice(i, i + SLICE).filter((channel) => this.#isToBeSent(channel));
      await this.#subscribe(slice);
    }
    // Those that came meanwhile were sent by `changed`.
    await Promise.all(this.#sent.values());
    if (this.#isEntering) await this.#store.subscribe(this.#marks());
  }

  /** Some channels are not reached any more, or all. */
  down(): void {
    this.#isEntering = false;
    for (const channel of this.#sent.keys()) if (!this.#reaches(channel)) this.#sent.delete(channel);
  }

  #send(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    const unwanted = changed.filter((channel) => this.#sent.has(channel) && !this.#isWanted(channel));
    for (const channel of unwanted) {
      this.#sent.delete(channel);
      this.#dropped(channel);
    }
    if (unwanted.length > 0) {
      // What still arrives there is for nobody.
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
        // What is not reached nobody waits for: it is made when it is back.
        const settled = acknowledged.catch(() => undefined);
        for (const channel of group) this.#sent.set(channel, settled);
        return acknowledged;
      }),
    );
  }
}

interface SubscriptionsOptions {
  readonly store: Store;
  /** Its name in Redis. */
  readonly channelOf: (name: string) => string;
  readonly isWanted: (channel: string) => boolean;
  readonly wanted: () => Iterable<string>;
  /** By their names in Redis. */
  readonly marks: () => readonly string[];
  readonly reaches: (channel: string) => boolean;
  /** It is no longer heard. */
  readonly dropped: (channel: string) => void;
  /** Redis does not let this node hear what it has to hear. */
  readonly failed: (error: unknown) => void;
  readonly report: (error: unknown) => void;
}
