import type { Redis } from 'ioredis';
import type { Command } from './redis-connection.ts';
import type { ClientRole, RedisAddress } from './options.ts';

export type Publishing = readonly [channel: string, frame: Buffer];

export interface StoreOptions {
  /** Makes a client of the Redis at an address or, without one, of the only Redis. */
  readonly clientFor: (role: ClientRole, address?: RedisAddress) => Redis;
  readonly timeoutMs: number;
}

/** Runs commands, publishes and subscribes on a single Redis or a Redis Cluster. */
export interface Store {
  /** Whether all keys are on a single Redis, which keeps the order of all commands. On a Redis Cluster each master keeps only its own order. */
  readonly isSingleRedis: boolean;
  /** The number of commands that were redirected to another master. Writes that the old master has acknowledged may be lost. */
  readonly redirects: number;
  /**
   * Runs commands in order, in as few round trips as their keys allow, and returns their answers.
   * @throws HublineError `backplane_unavailable` if an answer does not arrive or is an error
   */
  run(commands: readonly Command[]): Promise<readonly unknown[]>;
  /** Runs commands that only read. The answer about a key of an unexpected type is an Error. @throws HublineError `backplane_unavailable` */
  read(commands: readonly Command[]): Promise<readonly unknown[]>;
  /**
   * Publishes to channels of one shard. Returns for each message undefined, or the error with which Redis refused it.
   * @throws HublineError `backplane_unavailable` if the answers do not arrive
   */
  publish(messages: readonly Publishing[]): Promise<readonly (Error | undefined)[]>;
  /** Subscribes, and resolves when Redis has acknowledged all channels. @throws HublineError `backplane_unavailable` */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** Returns the number of subscribers of each channel. */
  listeners(channels: readonly string[]): Promise<readonly number[]>;
  /** Checks that the connections for subscriptions are alive. */
  ping(): Promise<void>;
  /** Returns the reply to INFO memory of each Redis that allows the command. */
  memory(): Promise<readonly string[]>;
  /** Returns one string per shard, which hashes to a slot of that shard. */
  tags(): readonly string[];
  /** Returns the one of {@link tags} that is on the shard of the key. */
  tagOf(key: string): string;
  /** Returns the slot of a key. Availability is tracked per slot, because the slots of one shard may move to different masters. */
  slotOf(key: string): number;
  close(): void;
}

/** Groups items by shard: the commands of one shard can succeed while another shard is unavailable. */
export function byShard<T>(store: Pick<Store, 'tagOf'>, items: readonly T[], keyOf: (item: T) => string): readonly (readonly T[])[] {
  const shards = new Map<string, T[]>();
  for (const item of items) {
    const tag = store.tagOf(keyOf(item));
    const shard = shards.get(tag);
    if (shard) shard.push(item);
    else shards.set(tag, [item]);
  }
  return [...shards.values()];
}

export interface StoreObserver {
  /** All connections are ready, and no channel is subscribed. */
  ready(): void;
  /** These slots are unavailable; without `slots`, all of them. Called again after each failed attempt to connect. */
  lost(cause: Error, slots?: readonly number[]): void;
  message(channel: string, frame: Buffer): void;
  /**
   * Slots have moved, so Redis has removed subscriptions. All connections are ready again; messages may have been missed since `since`,
   * by `performance.now()`.
   */
  moved(since: number): void;
}
