import { checked, checkedReads, errorIn, type Command } from './redis-connection.ts';
import { Shard } from './shard.ts';
import type { Publishing, Store, StoreObserver, StoreOptions } from './store.ts';

const TAG = '0';

/** A single Redis, or the master that sentinels name. */
export class SingleStore implements Store {
  readonly isSingleRedis = true;
  readonly redirects = 0;
  readonly #shard: Shard;

  constructor({ clientFor, timeoutMs }: StoreOptions, observer: StoreObserver) {
    this.#shard = new Shard({
      clientFor,
      timeoutMs,
      ready: () => observer.ready(),
      lost: (cause) => observer.lost(cause),
      message: (channel, frame) => observer.message(channel, frame),
    });
  }

  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    return checked(commands, await this.#shard.commands.run(commands));
  }

  async read(commands: readonly Command[]): Promise<readonly unknown[]> {
    return checkedReads(commands, await this.#shard.commands.run(commands));
  }

  async publish(messages: readonly Publishing[]): Promise<readonly (Error | undefined)[]> {
    const replies = await this.#shard.commands.run(messages.map(([channel, frame]) => ['publish', channel, frame]));
    return replies.map(errorIn);
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#shard.listen('subscribe', ...channels);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#shard.listen('unsubscribe', ...channels);
  }

  async listeners(channels: readonly string[]): Promise<readonly number[]> {
    if (channels.length === 0) return [];
    const [reply] = await this.run([['pubsub', 'numsub', ...channels]]);
    return countsIn(reply, channels);
  }

  async ping(): Promise<void> {
    const { isReady, subscriber } = this.#shard;
    if (isReady) await subscriber.within('PING', subscriber.redis.ping());
  }

  async memory(): Promise<readonly string[]> {
    return textsIn(await this.#shard.commands.run([['info', 'memory']]));
  }

  tags(): readonly string[] {
    return [TAG];
  }
  tagOf(): string {
    return TAG;
  }
  slotOf(): number {
    return 0;
  }

  close(): void {
    this.#shard.close();
  }
}

/** Returns the answers that are texts. A Redis that refuses the command answers with an error. */
export const textsIn = (answers: readonly unknown[]): readonly string[] => answers.filter((answer) => typeof answer === 'string');

/** Decodes the answer to NUMSUB: channel, number, channel, number … */
export function countsIn(reply: unknown, channels: readonly string[]): readonly number[] {
  return channels.map((_channel, i) => Number((reply as readonly (string | number)[])[2 * i + 1]));
}
