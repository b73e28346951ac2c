import type { ProcessId, Topic } from '@hubline/server/backplane';

/** `<process>.<n>`; n grows each time the process has to register anew. It names the lease and all entries of the incarnation. */
export type Incarnation = `${ProcessId}.${number}`;

export const incarnationOf = (process: ProcessId, n: number): Incarnation => `${process}.${n}`;
export const processIn = (incarnation: string): ProcessId => incarnation.slice(0, incarnation.lastIndexOf('.'));
export const numberIn = (incarnation: string): number => Number(incarnation.slice(incarnation.lastIndexOf('.') + 1));

/**
 * The names of all keys and channels. The registry and the leases, which every query reads, are under `{nodes}`, so that one MGET
 * reads all leases; everything else is tagged by a topic or an incarnation, which spreads it over the shards of a Redis Cluster
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
 */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Hash: incarnation → its node. A field lives until everything of the incarnation is swept. */
  get registry(): string {
    return `${this.#prefix}:{nodes}`;
  }
  /** The state of an incarnation, one of `LEASE`: its entries count while it is alive. */
  lease(incarnation: string): string {
    return `${this.#of('nodes', 'lease')}:${incarnation}`;
  }
  /**
   * Exists while everything of the incarnation is written. It is deleted where something is not: a Redis without memory refuses SET,
   * and not DEL.
   */
  whole(incarnation: string): string {
    return `${this.#of('nodes', 'whole')}:${incarnation}`;
  }
  /** Hash: incarnation → version and number of the topics that it watches. Read once by every flush. */
  get watched(): string {
    return this.#of('nodes', 'watched');
  }
  /** Set: the topics that an incarnation watches. */
  watches(incarnation: string): string {
    return `${this.#of('nodes', 'watches')}:${incarnation}`;
  }
  /** The version of the last flush that was written completely. */
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
  /** Set: the groups of one connection, as topics have their names. */
  groups(incarnation: string, connectionId: string): string {
    return `${this.#of(incarnation, 'groups')}:${connectionId}`;
  }
  /** Held by the node that sweeps, in the first pass or the second. */
  sweep(incarnation: string, pass: 1 | 2): string {
    return this.#of(incarnation, `sweep:${pass}`);
  }
  /** Counts what was written under this incarnation on the shard of the tag: a count that is not the next one shows a loss. */
  writes(incarnation: string, tag: string): string {
    return `${this.#of(tag, 'writes')}:${incarnation}`;
  }
  /** Hash: incarnation → number of members. */
  counts(topic: Topic): string {
    return this.#of(topic, 'counts');
  }
  /** Sorted set of connection ids, all with one score: in order by their bytes. */
  members(topic: Topic, incarnation: string): string {
    return `${this.#of(topic, 'members')}:${incarnation}`;
  }

  /** A channel without messages: its subscription shows that a process has subscribed to all its channels on the shard of the tag. */
  marker(process: ProcessId, tag: string): string {
    return `${this.#of(tag, 'hears')}:${process}`;
  }
  channel(name: string): string {
    return `${this.#prefix}:{${name}}`;
  }
  /** The name of one of our channels. */
  nameOf(channel: string): string {
    return channel.slice(this.#prefix.length + 2, -1);
  }

  #of(tag: string, kind: string): string {
    return `${this.#prefix}:{${tag}}:${kind}`;
  }
}
