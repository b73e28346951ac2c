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
  /** One Redis: what is sent first is done first. Where there are several this holds for each of them alone. */
  readonly isOne: boolean;
  /** How often a command had to follow its slot to another master: what was acknowledged before may be lost with the old one. */
  readonly redirects: number;
  /**
   * Commands in order, as few trips as their keys allow, and their answers.
   * @throws HublineError `backplane_unavailable` where an answer is lost or is an error
   */
  run(commands: readonly Command[]): Promise<readonly unknown[]>;
  /** The same for commands that only read: an Error is the answer where a key holds another type than it should. */
  read(commands: readonly Command[]): Promise<readonly unknown[]>;
  /**
   * To channels of one shard. One answer each: undefined, or why it was refused.
   * @throws HublineError `backplane_unavailable` where answers are lost
   */
  publish(posts: readonly Publishing[]): Promise<readonly (Error | undefined)[]>;
  /** Resolves when Redis has acknowledged all of them. @throws HublineError `backplane_unavailable` */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** How many connections listen to each of these channels. */
  listeners(channels: readonly string[]): Promise<readonly number[]>;
  /** Proves that those connections are alive which only listen, and are there. */
  ping(): Promise<void>;
  /** What each Redis says of its memory, where it may be asked. */
  memory(): Promise<readonly string[]>;
  /** Strings, one for each shard and hashed to a slot of it. */
  tags(): readonly string[];
  /** The one of {@link tags} that is on the shard of this key. */
  tagOf(key: string): string;
  /** What is lost and comes back together, and more finely than a shard: shards part. */
  slotOf(key: string): number;
  close(): void;
}

/** What goes to one shard can succeed though another one is lost. */
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
  /** These slots cannot be used; where none are named, all of them. Said again whenever it is tried in vain. */
  lost(cause: Error, slots?: readonly number[]): void;
  message(channel: string, frame: Buffer): void;
  /**
   * Redis has let go of channels, and everything is connected again: what was subscribed may not be, since that
   * moment of `performance.now()`.
   */
  moved(since: number): void;
}
