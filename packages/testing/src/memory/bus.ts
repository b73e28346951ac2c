import { HublineError } from '@hubline/protocol';
import type { Bus, BusSubscription, ProcessId } from '@hubline/server/backplane';
import { unavailable, type MemoryCluster, type MemoryProcess, type MemorySubscription } from './memory-process.ts';

export class MemoryBus implements Bus {
  readonly #process: MemoryProcess;
  readonly #cluster: MemoryCluster;

  constructor(memoryProcess: MemoryProcess, cluster: MemoryCluster) {
    this.#process = memoryProcess;
    this.#cluster = cluster;
  }

  publish(channel: string, payload: Uint8Array): Promise<void> {
    return this.#process.perform(() => {
      if (this.#process.state !== 'up') throw unavailable('The backplane is down.');
      for (const other of this.#cluster.values()) {
        if (other !== this.#process) other.receive(channel, payload, this.#process.node.process);
      }
    });
  }

  subscribe(channel: string, deliver: (payload: Uint8Array, from: ProcessId) => void): BusSubscription {
    const { subscriptions } = this.#process;
    if (subscriptions.has(channel)) {
      throw new HublineError('invalid_option', `This node is subscribed to ${channel} already.`, { option: 'channel' });
    }
    const subscription: MemorySubscription = { deliver, active: false };
    const isOpen = () => subscriptions.get(channel) === subscription;
    if (this.#process.state !== 'closed') subscriptions.set(channel, subscription);
    return {
      ready: this.#process.perform(() => {
        subscription.active = isOpen();
      }),
      close: () => {
        subscription.active = false;
        if (isOpen()) subscriptions.delete(channel);
      },
    };
  }
}
