import type { BusSubscription } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';

interface Entry {
  readonly subscription: BusSubscription;
  wanted: number;
  /** Cancels the pending unsubscription. */
  stay: (() => void) | undefined;
}

export interface SubscriptionsOptions {
  readonly listen: (channel: string) => BusSubscription;
  readonly clock: Clock;
  /** How long a channel stays subscribed after its last use: clients reconnect, and others join. */
  readonly lingerMs: number;
}

/** The channels that this node is subscribed to for the topics of its connections. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts a use of the channel: each call needs its {@link unwant}. Resolves when the channel is subscribed. */
  want(channel: string): Promise<void> {
    let entry = this.#entries.get(channel);
    if (!entry) {
      entry = { subscription: this.#options.listen(channel), wanted: 0, stay: undefined };
      this.#entries.set(channel, entry);
    }
    entry.wanted++;
    entry.stay?.();
    entry.stay = undefined;
    return entry.subscription.ready;
  }

  /** Resolves when the channel is subscribed, where it is in use. */
  async ready(channel: string): Promise<void> {
    await this.#entries.get(channel)?.subscription.ready;
  }

  unwant(channel: string): void {
    const entry = this.#entries.get(channel);
    if (!entry || --entry.wanted > 0) return;
    entry.stay = this.#options.clock.after(this.#options.lingerMs, () => {
      this.#entries.delete(channel);
      entry.subscription.close();
    });
  }

  close(): void {
    for (const { stay, subscription } of this.#entries.values()) {
      stay?.();
      subscription.close();
    }
    this.#entries.clear();
  }
}
