import type { ConnectionRecord, LocalState, NodeInfo, Topic } from '@hubline/server/backplane';
import { everythingIn, slices, type Dirt } from './entries.ts';
import type { Incarnation, Keys } from './keys.ts';
import type { Command } from './redis-connection.ts';
import type { Store } from './store.ts';
import { decodeNumber, encodeNode, encodeRecord, INLINE, LEASE, lengthOf, WHOLE } from './values.ts';

export interface VerifierOptions {
  readonly self: NodeInfo;
  readonly local: LocalState;
  readonly store: Store;
  readonly keys: Keys;
  readonly heartbeatIntervalMs: number;
}

/** Changes of this process that are not written yet: there Redis may differ. */
export interface Unwritten {
  readonly topics: ReadonlyMap<Topic, readonly string[]>;
  readonly connections: ReadonlySet<string>;
  readonly watches: ReadonlySet<Topic>;
}

export interface Written {
  readonly incarnation: Incarnation;
  /** The topics that this process watches, and its field in {@link Keys.watched}. */
  readonly watches: ReadonlyMap<Topic, unknown>;
  readonly watched: string | undefined;
  /** The version of the last flush. */
  readonly flushed: number;
  readonly unwritten: () => Unwritten;
}

/** The entries that differ in Redis from what was written. */
export interface Differences {
  /** To be deleted first: of another type, or with more in it than there should be. */
  readonly wrong: ReadonlySet<string>;
  readonly isRegistryLost: boolean;
  readonly areWatchesLost: boolean;
  readonly isVersionLost: boolean;
  readonly isLeaseLost: boolean;
  readonly dirt: Dirt;
  /** Names of keys, for the report. */
  readonly keys: ReadonlySet<string>;
}

/** Within this time everything that was written is verified once, however much it is. */
export const VERIFIED_WITHIN_MS = 60_000;
/** The least number of topics, and of connections, that each heartbeat verifies. */
const LEAST = 10;
const TRIP = 500;

/**
 * Compares the entries in Redis with what this process has written: at each heartbeat the sizes of its index keys, and a slice of its
 * topics and connections. After a difference it compares all the rest at once.
 */
export class Verifier {
  readonly #options: VerifierOptions;
  /** The topics that this round has still to verify. */
  #topics: Topic[] = [];
  #connections: string[] = [];
  #perBeat = { topics: LEAST, connections: LEAST };

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** Undefined where nothing differs. @throws HublineError `backplane_unavailable` */
  async verify(written: Written): Promise<Differences | undefined> {
    if (this.#topics.length + this.#connections.length === 0) this.#begin();
    const found = new Findings(this.#options.local);
    const { topics, connections } = this.#perBeat;
    // Flushes wait for this: on a slow link one round trip, and not three.
    await Promise.all([
      this.#verifyWhole(written, found),
      this.#verifyTopics(written, this.#topics.splice(0, topics), found),
      this.#verifyConnections(written, this.#connections.splice(0, connections), found),
    ]);
    if (!found.any) return undefined;
    this.#begin();
    await this.#verifyTopics(written, this.#topics.splice(0), found);
    await this.#verifyConnections(written, this.#connections.splice(0), found);
    return found.differences;
  }

  #begin(): void {
    const { local, heartbeatIntervalMs } = this.#options;
    this.#topics = [...local.topics()];
    this.#connections = [...local.connections()];
    const beats = Math.max(1, Math.floor(VERIFIED_WITHIN_MS / heartbeatIntervalMs));
    const share = (count: number): number => Math.max(LEAST, Math.ceil(count / beats));
    this.#perBeat = { topics: share(this.#topics.length), connections: share(this.#connections.length) };
  }

  /** Verifies the keys that exist once for each incarnation. */
  async #verifyWhole({ incarnation, watches, watched, flushed, unwritten }: Written, found: Findings): Promise<void> {
    const { store, keys, self, local } = this.#options;
    const [registered, lease, listed, version, watching, topics, records, whole] = await store.read([
      ['hmget', keys.registry, incarnation],
      ['get', keys.lease(incarnation)],
      ['hmget', keys.watched, incarnation],
      ['get', keys.flushed(incarnation)],
      ['scard', keys.watches(incarnation)],
      ['zcard', keys.topics(incarnation)],
      ['hlen', keys.records(incarnation)],
      ['get', keys.whole(incarnation)],
    ]);
    const pending = unwritten();
    if (!Array.isArray(registered) || registered[0] !== encodeNode(self)) found.registry(keys.registry, registered);
    if (lease !== LEASE.alive && lease !== null) found.lease(keys.lease(incarnation));
    if (whole !== WHOLE) found.whole(keys.whole(incarnation), whole);
    if (decodeNumber(version) !== flushed) found.version(keys.flushed(incarnation), version);
    if (pending.watches.size === 0) {
      if (!Array.isArray(listed) || (listed[0] ?? undefined) !== watched) found.watches(keys.watched, listed);
      if (watching !== watches.size) found.watches(keys.watches(incarnation), tooMuch(watching, watches.size));
    }
    const [topicCount, connectionCount] = [countOf(local.topics()), countOf(local.connections())];
    if (!isAbout(topics, topicCount, pending.topics.size)) found.index(keys.topics(incarnation), tooMuch(topics, topicCount));
    if (!isAbout(records, connectionCount, pending.connections.size)) {
      found.records(keys.records(incarnation), tooMuch(records, connectionCount));
    }
  }

  async #verifyTopics({ incarnation, unwritten }: Written, topics: readonly Topic[], found: Findings): Promise<void> {
    const { store, keys, local } = this.#options;
    for (const slice of slices(topics, TRIP)) {
      const answers = await store.read(
        slice.flatMap((topic): readonly Command[] => [
          ['hmget', keys.counts(topic), incarnation],
          ['zcard', keys.members(topic, incarnation)],
        ]),
      );
      const pending = unwritten();
      slice.forEach((topic, i) => {
        const [counts, size] = answers.slice(2 * i, 2 * i + 2);
        const expected = local.members(topic).size;
        const tolerance = pending.topics.get(topic)?.length ?? 0;
        const count =
          Array.isArray(counts) ?
            counts[0] === null ?
              0
            : decodeNumber(counts[0])
          : undefined;
        if (!isAbout(count, expected, tolerance)) found.topic(topic, keys.counts(topic), counts);
        if (!isAbout(size, expected, tolerance)) found.topic(topic, keys.members(topic, incarnation), tooMuch(size, expected));
      });
    }
  }

  async #verifyConnections({ incarnation, unwritten }: Written, ids: readonly string[], found: Findings): Promise<void> {
    const { store, keys, local } = this.#options;
    for (const slice of slices(ids, TRIP)) {
      const many = new Map<string, number>();
      for (const id of slice) {
        const groups = local.record(id)?.groups ?? [];
        if (lengthOf(groups, INLINE) > INLINE) many.set(id, many.size);
      }
      const [texts, ...sizes] = await store.read([
        ['hmget', keys.records(incarnation), ...slice],
        ...[...many.keys()].map((id): Command => ['scard', keys.groups(incarnation, id)]),
      ]);
      const pending = unwritten();
      slice.forEach((id, i) => {
        const record = local.record(id);
        if (!record || pending.connections.has(id)) return;
        const text: unknown = Array.isArray(texts) ? texts[i] : texts;
        if (text !== encodeRecord(record)) found.connection(record, keys.records(incarnation), texts);
        const expected = record.groups.length;
        const size = sizes[many.get(id) ?? -1] ?? expected;
        if (size !== expected) found.connection(record, keys.groups(incarnation, id), tooMuch(size, expected));
      });
    }
  }
}

class Findings {
  readonly #local: LocalState;
  readonly #wrong = new Set<string>();
  readonly #keys = new Set<string>();
  readonly #topics = new Map<Topic, Iterable<string>>();
  readonly #connections = new Set<string>();
  #isRegistryLost = false;
  #areWatchesLost = false;
  #isVersionLost = false;
  #isLeaseLost = false;
  #isIndexLost = false;
  #areRecordsLost = false;

  constructor(local: LocalState) {
    this.#local = local;
  }

  get any(): boolean {
    return this.#keys.size > 0;
  }

  registry(key: string, answer: unknown): void {
    this.#isRegistryLost = true;
    this.#note(key, answer);
  }
  watches(key: string, answer: unknown): void {
    this.#areWatchesLost = true;
    this.#note(key, answer);
  }
  /** Without deleting it, since then the process would be lost for a moment. */
  lease(key: string): void {
    this.#isLeaseLost = true;
    this.#keys.add(key);
  }
  /** A repair ends with it. */
  whole(key: string, answer: unknown): void {
    this.#note(key, answer);
  }
  version(key: string, answer: unknown): void {
    this.#isVersionLost = true;
    this.#note(key, answer);
  }
  /** The index of all topics, or all records. */
  index(key: string, answer: unknown): void {
    this.#isIndexLost = true;
    this.#note(key, answer);
  }
  records(key: string, answer: unknown): void {
    this.#areRecordsLost = true;
    this.#note(key, answer);
  }
  topic(topic: Topic, key: string, answer: unknown): void {
    this.#topics.set(topic, this.#local.members(topic).keys());
    this.#note(key, answer);
  }
  connection({ connectionId }: ConnectionRecord, key: string, answer: unknown): void {
    this.#connections.add(connectionId);
    this.#note(key, answer);
  }

  get differences(): Differences {
    const local = this.#local;
    return {
      wrong: this.#wrong,
      keys: this.#keys,
      isRegistryLost: this.#isRegistryLost,
      areWatchesLost: this.#areWatchesLost,
      isVersionLost: this.#isVersionLost,
      isLeaseLost: this.#isLeaseLost,
      dirt: {
        topics: this.#isIndexLost ? everythingIn(local).topics : this.#topics,
        connections: this.#areRecordsLost ? local.connections() : this.#connections,
        moved: () => Infinity,
      },
    };
  }

  #note(key: string, answer: unknown): void {
    this.#keys.add(key);
    if (answer instanceof Error) this.#wrong.add(key);
  }
}

/** Of a set that holds more than it should, what is too much cannot be named. */
const tooMuch = (found: unknown, expected: number): unknown => (Number(found) > expected ? new Error('too much') : found);

function countOf(items: Iterable<unknown>): number {
  let count = 0;
  for (const _item of items) count++;
  return count;
}

const isAbout = (found: unknown, expected: number, tolerance: number): boolean =>
  typeof found === 'number' && Math.abs(found - expected) <= tolerance;
