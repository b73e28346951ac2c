import { HublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, ProcessId } from '@hubline/server/backplane';
import { unavailable, type MemoryCluster, type MemoryPlace, type MemorySubscription } from './place.ts';

export class MemoryBus implements Bus {
  readonly #place: MemoryPlace;
  readonly #cluster: MemoryCluster;

  constructor(place: MemoryPlace, cluster: MemoryCluster) {
    this.#place = place;
    this.#cluster = cluster;
  }

  publish(channel: string, payload: Uint8Array): Promise<void> {
    return this.#place.say(() => {
      if (this.#place.state !== 'up') throw unavailable('The backplane is down.');
      for (const other of this.#cluster.values()) {
        if (other !== this.#place) other.hear(channel, payload, this.#place.node.process);
      }
    });
  }

  subscribe(channel: string, deliver: (payload: Uint8Array, from: ProcessId) => void): BusSubscription {
    const { subscriptions } = this.#place;
    if (subscriptions.has(channel)) {
      throw new HublineError('invalid_option', `This node is subscribed to ${channel} already.`, { option: 'channel' });
    }
    const subscription: MemorySubscription = { deliver, active: false };
    const isOpen = () => subscriptions.get(channel) === subscription;
    if (this.#place.state !== 'closed') subscriptions.set(channel, subscription);
    return {
      ready: this.#place.say(() => {
        subscription.active = isOpen();
      }),
      close: () => {
        subscription.active = false;
        if (isOpen()) subscriptions.delete(channel);
      },
    };
  }
}
