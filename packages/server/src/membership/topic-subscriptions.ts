import type { BusSubscription, NodeMessenger } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';

interface Entry {
  readonly subscription: BusSubscription;
  uses: number;
  /** Cancels the scheduled end of the subscription. */
  cancelClose: (() => void) | undefined;
}

export interface TopicSubscriptionsOptions {
  /** A function, because the messenger is created later. */
  readonly messenger: () => Pick<NodeMessenger, 'subscribe'>;
  readonly clock: Clock;
  /** How long a channel stays subscribed after its last use, since clients reconnect. */
  readonly lingerMs: number;
}

/** Subscribes this node to the channels that are in use, with a count of uses for each. */
export class TopicSubscriptions {
  readonly #options: TopicSubscriptionsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: TopicSubscriptionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Adds a use of the channel; {@link release} ends it. Resolves when the channel is subscribed. */
  acquire(channel: string): Promise<void> {
    let entry = this.#entries.get(channel);
    if (!entry) {
      entry = { subscription: this.#options.messenger().subscribe(channel), uses: 0, cancelClose: undefined };
      this.#entries.set(channel, entry);
    }
    entry.uses++;
    entry.cancelClose?.();
    entry.cancelClose = undefined;
    return entry.subscription.ready;
  }

  /** Resolves when the channel is subscribed, or at once if it is not in use. */
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
