import type { Redis } from 'ioredis';
import { Line, type Command } from './line.ts';
import type { Store, StoreObserver } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface SingleStoreOptions {
  readonly commands: Redis;
  readonly subscriber: Redis;
  readonly timeoutMs: number;
}

/** One Redis, or the master that sentinels name: a connection for commands and one that listens. */
export class SingleStore implements Store {
  readonly isOne = true;
  readonly #commands: Line;
  readonly #subscriber: Line;

  constructor({ commands, subscriber, timeoutMs }: SingleStoreOptions, observer: StoreObserver) {
    const ready = (): void => {
      if (this.#commands.isReady && this.#subscriber.isReady) observer.ready();
    };
    const lost = (cause: Error): void => observer.lost(cause);
    this.#commands = new Line(commands, timeoutMs, { ready, lost });
    this.#subscriber = new Line(subscriber, timeoutMs, { ready, lost });
    subscriber.on('messageBuffer', (channel: Buffer, frame: Buffer) => observer.message(channel.toString(), frame));
  }

  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    const replies = await this.#commands.run(commands);
    const at = replies.findIndex((reply) => reply instanceof Error);
    if (at < 0) return replies;
    throw unavailable(`Redis refused ${commands[at]?.[0]}: ${(replies[at] as Error).message}`, replies[at]);
  }

  async publish(posts: readonly (readonly [channel: string, frame: Buffer])[]): Promise<readonly (Error | undefined)[]> {
    const replies = await this.#commands.run(posts.map(([channel, frame]) => ['publish', channel, frame]));
    return replies.map((reply) => (reply instanceof Error ? reply : undefined));
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#subscriber.within('SUBSCRIBE', this.#subscriber.redis.subscribe(...channels));
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#subscriber.within('UNSUBSCRIBE', this.#subscriber.redis.unsubscribe(...channels));
  }

  async listeners(channels: readonly string[]): Promise<readonly number[]> {
    if (channels.length === 0) return [];
    const [reply] = await this.run([['pubsub', 'numsub', ...channels]]);
    const pairs = reply as readonly (string | number)[];
    return channels.map((_channel, i) => Number(pairs[2 * i + 1]));
  }

  async ping(): Promise<void> {
    await this.#subscriber.within('PING', this.#subscriber.redis.ping());
  }

  tags(): readonly string[] {
    return ['0'];
  }
  tagOf(): string {
    return '0';
  }

  close(): void {
    this.#commands.close();
    this.#subscriber.close();
  }
}
