import { HublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, PublishOptions } from '@hubline/server/backplane';
import type { Deliver, Receiver } from './receiver.ts';
import type { Publisher } from './publisher.ts';
import type { Subscriptions } from './subscriptions.ts';

/** The local listener of each channel. */
export type Listeners = Map<string, Deliver>;

export class RedisBus implements Bus {
  readonly #publisher: Publisher;
  readonly #subscriptions: Subscriptions;
  readonly #receiver: Receiver;
  readonly #listeners: Listeners;
  readonly #settled: () => Promise<void>;
  readonly #isOpen: () => boolean;

  constructor({ publisher, subscriptions, receiver, listeners, settled, isOpen }: RedisBusParts) {
    this.#settled = settled;
    this.#publisher = publisher;
    this.#subscriptions = subscriptions;
    this.#receiver = receiver;
    this.#listeners = listeners;
    this.#isOpen = isOpen;
  }

  publish(channel: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    return this.#publisher.publish(channel, payload, options);
  }

  subscribe(channel: string, deliver: Deliver): BusSubscription {
    if (this.#listeners.has(channel)) {
      throw new HublineError('invalid_option', `This node is subscribed to ${channel} already.`, { option: 'channel' });
    }
    if (!this.#isOpen()) return { ready: Promise.resolve(), close: () => undefined };
    const listener: Deliver = (payload, from) => deliver(payload, from); // a new function identifies this subscription
    this.#listeners.set(channel, listener);
    this.#receiver.subscribed(channel);
    return {
      ready: this.#settled().then(() => this.#subscriptions.changed(channel)),
      close: () => {
        if (this.#listeners.get(channel) !== listener) return;
        this.#listeners.delete(channel);
        this.#receiver.forgetChannel(channel); // also during an outage: for a later listener no earlier message is missing
        void this.#subscriptions.changed(channel);
      },
    };
  }
}

interface RedisBusParts {
  readonly publisher: Publisher;
  readonly subscriptions: Subscriptions;
  readonly receiver: Receiver;
  readonly listeners: Listeners;
  /** Settles when the first connection has succeeded or failed. */
  readonly settled: () => Promise<void>;
  readonly isOpen: () => boolean;
}
