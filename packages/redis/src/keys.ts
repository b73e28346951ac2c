import type { ProcessId, Topic } from '@hubline/server/backplane';

/** `<process>.<n>`. The number grows with each registration. The lease and all entries of a session are named by its incarnation. */
export type Incarnation = `${ProcessId}.${number}`;

export const incarnationOf = (process: ProcessId, n: number): Incarnation => `${process}.${n}`;
export const processIn = (incarnation: string): ProcessId => incarnation.slice(0, incarnation.lastIndexOf('.'));
export const numberIn = (incarnation: string): number => Number(incarnation.slice(incarnation.lastIndexOf('.') + 1));

/**
 * Makes the names of all keys and channels. The registry and the leases have the hash tag `{nodes}`, so that one MGET reads all leases.
 * All other keys have a topic or an incarnation as their tag, which spreads them over the shards of a Redis Cluster
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
 */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Hash: incarnation → its node. A sweep deletes a field after all other entries of the incarnation. */
  get registry(): string {
    return `${this.#prefix}:{nodes}`;
  }
  /** String: the state of an incarnation, one of `LEASE`. Queries use its entries while the state is `alive`. */
  lease(incarnation: string): string {
    return `${this.#of('nodes', 'lease')}:${incarnation}`;
  }
  /**
   * String: exists while all entries of the incarnation are written. The key means this by its presence, because a Redis without memory
   * refuses SET but not DEL.
   */
  whole(incarnation: string): string {
    return `${this.#of('nodes', 'whole')}:${incarnation}`;
  }
  /** Hash: incarnation → version and number of the topics that it watches. Every flush reads it once. */
  get watched(): string {
    return this.#of('nodes', 'watched');
  }
  /** Set: the topics that an incarnation watches. */
  watches(incarnation: string): string {
    return `${this.#of('nodes', 'watches')}:${incarnation}`;
  }
  /** String: the version of the last flush that was written completely. */
  flushed(incarnation: string): string {
    return this.#of(incarnation, 'flushed');
  }
  /** Sorted set: the topics in which this incarnation has members. A sweep reads it. */
  topics(incarnation: string): string {
    return this.#of(incarnation, 'topics');
  }
  /** Hash: connection id → its record, without its groups. */
  records(incarnation: string): string {
    return this.#of(incarnation, 'records');
  }
  /** Set: the groups of one connection, encoded as in topics. */
  groups(incarnation: string, connectionId: string): string {
    return `${this.#of(incarnation, 'groups')}:${connectionId}`;
  }
  /** String: the lock of the node that sweeps, in the first pass or the second. */
  sweep(incarnation: string, pass: 1 | 2): string {
    return this.#of(incarnation, `sweep:${pass}`);
  }
  /** String: counts the writes of this incarnation to the shard of the tag. If INCR does not return the next number, writes are missing. */
  writes(incarnation: string, tag: string): string {
    return `${this.#of(tag, 'writes')}:${incarnation}`;
  }
  /** Hash: incarnation → number of members. */
  counts(topic: Topic): string {
    return this.#of(topic, 'counts');
  }
  /** Sorted set: connection ids with equal scores, which Redis orders by their bytes. */
  members(topic: Topic, incarnation: string): string {
    return `${this.#of(topic, 'members')}:${incarnation}`;
  }

  /** A channel without messages. A process subscribes to it after all its other channels on the shard of the tag. */
  marker(process: ProcessId, tag: string): string {
    return `${this.#of(tag, 'hears')}:${process}`;
  }
  channel(name: string): string {
    return `${this.#prefix}:{${name}}`;
  }
  /** Returns the name of a channel of this backplane. */
  nameOf(channel: string): string {
    return channel.slice(this.#prefix.length + 2, -1);
  }

  #of(tag: string, kind: string): string {
    return `${this.#prefix}:{${tag}}:${kind}`;
  }
}
