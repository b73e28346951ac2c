import { HublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, PublishOptions } from '@hubline/server/backplane';
import type { Deliver } from './arrivals.ts';
import type { Departures } from './departures.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Who hears what on this node. */
export type Listeners = Map<string, Deliver>;

export class RedisBus implements Bus {
  readonly #departures: Departures;
  readonly #subscriptions: Subscriptions;
  readonly #listeners: Listeners;
  readonly #settled: () => Promise<void>;
  readonly #isOpen: () => boolean;

  constructor({ departures, subscriptions, listeners, settled, isOpen }: RedisBusParts) {
    this.#settled = settled;
    this.#departures = departures;
    this.#subscriptions = subscriptions;
    this.#listeners = listeners;
    this.#isOpen = isOpen;
  }

  publish(channel: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    return this.#departures.publish(channel, payload, options);
  }

  subscribe(channel: string, deliver: Deliver): BusSubscription {
    if (this.#listeners.has(channel)) {
      throw new HublineError('invalid_option', `This node is subscribed to ${channel} already.`, { option: 'channel' });
    }
    if (!this.#isOpen()) return { ready: Promise.resolve(), close: () => undefined };
    const listener: Deliver = (payload, from) => deliver(payload, from); // a function of its own, to be told from others
    this.#listeners.set(channel, listener);
    return {
      ready: this.#settled().then(() => this.#subscriptions.changed(channel)),
      close: () => {
        if (this.#listeners.get(channel) !== listener) return;
        this.#listeners.delete(channel);
        void this.#subscriptions.changed(channel);
      },
    };
  }
}

interface RedisBusParts {
  readonly departures: Departures;
  readonly subscriptions: Subscriptions;
  readonly listeners: Listeners;
  /** Settles when it is known whether Redis can be reached. */
  readonly settled: () => Promise<void>;
  readonly isOpen: () => boolean;
}
