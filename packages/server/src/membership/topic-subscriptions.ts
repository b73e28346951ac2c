import type { BusSubscription } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';

interface Entry {
  readonly subscription: BusSubscription;
  uses: number;
  /** Cancels the pending unsubscription. */
  cancelClose: (() => void) | undefined;
}

export interface TopicSubscriptionsOptions {
  readonly subscribe: (channel: string) => BusSubscription;
  readonly clock: Clock;
  /** How long a channel cancelCloses subscribed after its last use: clients reconnect, and others join. */
  readonly lingerMs: number;
}

/** The channels that this node is subscribed to for the topics of its connections. */
export class TopicSubscriptions {
  readonly #options: TopicSubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: TopicSubscriptionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts a use of the channel: each call needs its {@link release}. Resolves when the channel is subscribed. */
  acquire(channel: string): Promise<void> {
    let entry = this.#entries.get(channel);
    if (!entry) {
      entry = { subscription: this.#options.subscribe(channel), uses: 0, cancelClose: undefined };
      this.#entries.set(channel, entry);
    }
    entry.uses++;
    entry.cancelClose?.();
    entry.cancelClose = undefined;
    return entry.subscription.ready;
  }

  /** Resolves when the channel is subscribed, where it is in use. */
  async ready(channel: string): Promise<void> {
    await this.#entries.get(channel)?.subscription.ready;
  }

  release(channel: string): void {
    const entry = this.#entries.get(channel);
    if (!entry || --entry.uses > 0) return;
    entry.cancelClose = this.#options.clock.after(this.#options.lingerMs, () => {
      this.#entries.delete(channel);
      entry.subscription.close();
    });
  }

  close(): void {
    for (const { cancelClose, subscription } of this.#entries.values()) {
      cancelClose?.();
      subscription.close();
    }
    this.#entries.clear();
  }
}
