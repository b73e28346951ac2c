import type { Redis } from 'ioredis';
import type { Command } from './redis-connection.ts';
import type { ClientRole, RedisAddress } from './options.ts';

export type Publishing = readonly [channel: string, frame: Buffer];

export interface StoreOptions {
  /** Makes a client, for the one Redis that there is or for the one of a cluster that is named. */
  readonly clientFor: (role: ClientRole, address?: RedisAddress) => Redis;
  readonly timeoutMs: number;
}

/** The Redis behind a backplane, whatever its shape. */
export interface Store {
  /** Whether there is a single Redis, which runs all commands in their order. Several keep the order only each for itself. */
  readonly isOne: boolean;
  /** How often a command had to follow its slot to another master: earlier acknowledged writes may be lost with the old one. */
  readonly redirects: number;
  /**
   * Runs commands in order, in as few trips as their keys allow, and returns their answers.
   * @throws HublineError `backplane_unavailable` where an answer is lost or is an error
   */
  run(commands: readonly Command[]): Promise<readonly unknown[]>;
  /** The same for commands that only read: an Error is the answer where a key holds another type than it should. */
  read(commands: readonly Command[]): Promise<readonly unknown[]>;
  /**
   * Publishes to channels of one shard. One answer each: undefined, or the error of a refusal.
   * @throws HublineError `backplane_unavailable` where answers are lost
   */
  publish(posts: readonly Publishing[]): Promise<readonly (Error | undefined)[]>;
  /** Resolves when Redis has acknowledged all of them. @throws HublineError `backplane_unavailable` */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** How many connections listen to each of these channels. */
  listeners(channels: readonly string[]): Promise<readonly number[]>;
  /** Checks that the connections for subscriptions are alive. */
  ping(): Promise<void>;
  /** The memory settings of each Redis that allows the query. */
  memory(): Promise<readonly string[]>;
  /** One string per shard, which hashes to a slot of that shard. */
  tags(): readonly string[];
  /** The one of {@link tags} on the shard of this key. */
  tagOf(key: string): string;
  /** The slot of a key: the unit of availability, finer than a shard, since a shard's slots may move apart. */
  slotOf(key: string): number;
  close(): void;
}

/** Groups items by shard: the commands of one shard can succeed although another one is lost. */
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
  /** Everything is connected, and nothing is subscribed. */
  ready(): void;
  /** These slots cannot be used; without `slots`, none can. Called again after each failed attempt. */
  lost(cause: Error, slots?: readonly number[]): void;
  message(channel: string, frame: Buffer): void;
  /**
   * Redis has unsubscribed channels, and everything is connected again: subscriptions may be missing since `since`, by
   * `performance.now()`.
   */
  moved(since: number): void;
}
