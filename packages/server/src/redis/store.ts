import type { Redis } from 'ioredis';
import type { Command } from './line.ts';
import type { ClientRole, RedisAddress } from './options.ts';

export type Post = readonly [channel: string, frame: Buffer];

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
  /** One answer each: undefined, or why it was refused. @throws HublineError `backplane_unavailable` where answers are lost */
  publish(posts: readonly Post[]): Promise<readonly (Error | undefined)[]>;
  /** Resolves when Redis has acknowledged all of them. @throws HublineError `backplane_unavailable` */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** How many connections listen to each of these channels. */
  listeners(channels: readonly string[]): Promise<readonly number[]>;
  /** Proves that the connections which only listen are alive. */
  ping(): Promise<void>;
  /** Strings, one for each shard and hashed to a slot of it. */
  tags(): readonly string[];
  /** The one of {@link tags} that is on the shard of this key. */
  tagOf(key: string): string;
  close(): void;
}

export interface StoreObserver {
  /** Everything is connected, and nothing is subscribed. */
  ready(): void;
  lost(cause: Error): void;
  message(channel: string, frame: Buffer): void;
  /**
   * Redis has let go of channels, and everything is connected again: what was subscribed may not be, since that
   * moment of `performance.now()`.
   */
  moved(since: number): void;
}
