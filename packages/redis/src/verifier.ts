import type { LocalState, NodeInfo, Topic } from '@hubline/server/backplane';
import { slices } from './entries.ts';
import type { Incarnation, Keys } from './keys.ts';
import type { RedisSettings } from './options.ts';
import type { Command } from './redis-connection.ts';
import type { Store } from './store.ts';
import { decodeNumber, encodeNode, encodeRecord, INLINE, LEASE, lengthOf, WHOLE } from './values.ts';

export interface VerifierOptions {
  readonly self: NodeInfo;
  readonly local: LocalState;
  readonly store: Store;
  readonly keys: Keys;
  readonly settings: Pick<RedisSettings, 'heartbeatIntervalMs'>;
}

/** Changes of this process that are not written yet, so that their entries in Redis may differ. */
export interface Unwritten {
  readonly topics: ReadonlyMap<Topic, readonly string[]>;
  readonly connections: ReadonlySet<string>;
  readonly watches: ReadonlySet<Topic>;
}

export interface Written {
  readonly incarnation: Incarnation;
  /** The topics that this process watches. */
  readonly watches: ReadonlyMap<Topic, unknown>;
  /** The value of this process in {@link Keys.watched}. */
  readonly watched: string | undefined;
  /** The version of the last flush. */
  readonly flushed: number;
  readonly unwritten: () => Unwritten;
}

/** A key that differs in Redis from what was written. */
export interface Difference {
  readonly key: string;
  /** The part of the state that must be written again: a topic, a connection, or a part that exists once for each incarnation. */
  readonly part:
    | { readonly topic: Topic }
    | { readonly connection: string }
    | 'topics'
    | 'records'
    | 'registry'
    | 'watches'
    | 'version'
    | 'lease'
    | 'whole';
  /** Whether the key must be deleted first, because it has an unexpected type or additional members. */
  readonly mustDelete: boolean;
}

/** The time within which all entries are verified once, in milliseconds. */
export const VERIFIED_WITHIN_MS = 60_000;
/** The least number of topics, and of connections, that each heartbeat verifies. */
const LEAST = 10;
const KEYS_PER_BATCH = 500;

/**
 * Compares the entries in Redis with the state of this process. Each heartbeat verifies the sizes of the index keys, and a part of the
 * topics and connections. If any entry differs, all others are verified at once.
 */
export class Verifier {
  readonly #options: VerifierOptions;
  /** The topics that are not verified in this round yet. */
  #topics: Topic[] = [];
  #connections: string[] = [];
  #perHeartbeat = { topics: LEAST, connections: LEAST };

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** Verifies the part of this heartbeat, and returns the differences. @throws HublineError `backplane_unavailable` */
  async verify(written: Written): Promise<readonly Difference[]> {
    if (this.#topics.length + this.#connections.length === 0) this.#begin();
    const { topics, connections } = this.#perHeartbeat;
    // In one round trip instead of three, because flushes wait for it.
    const found = await Promise.all([
      this.#verifyWhole(written),
      this.#verifyTopics(written, this.#topics.splice(0, topics)),
      this.#verifyConnections(written, this.#connections.splice(0, connections)),
    ]);
    if (found.flat().length === 0) return [];
    this.#begin();
    found.push(await this.#verifyTopics(written, this.#topics.splice(0)));
    found.push(await this.#verifyConnections(written, this.#connections.splice(0)));
    return found.flat();
  }

  #begin(): void {
    const { local, settings } = this.#options;
    this.#topics = [...local.topics()];
    this.#connections = [...local.connections()];
    const heartbeats = Math.max(1, Math.floor(VERIFIED_WITHIN_MS / settings.heartbeatIntervalMs));
    const share = (count: number): number => Math.max(LEAST, Math.ceil(count / heartbeats));
    this.#perHeartbeat = { topics: share(this.#topics.length), connections: share(this.#connections.length) };
  }

  /** Verifies the keys that exist once for each incarnation. */
  async #verifyWhole({ incarnation, watches, watched, flushed, unwritten }: Written): Promise<readonly Difference[]> {
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
    const found: Difference[] = [];
    const note = (part: Difference['part'], key: string, answer: unknown): void => void found.push(differenceOf(part, key, answer));
    if (!Array.isArray(registered) || registered[0] !== encodeNode(self)) note('registry', keys.registry, registered);
    // The lease is not deleted first: other nodes would report this one as lost.
    if (lease !== LEASE.alive && lease !== null) note('lease', keys.lease(incarnation), undefined);
    if (whole !== WHOLE) note('whole', keys.whole(incarnation), whole);
    if (decodeNumber(version) !== flushed) note('version', keys.flushed(incarnation), version);
    if (pending.watches.size === 0) {
      if (!Array.isArray(listed) || (listed[0] ?? undefined) !== watched) note('watches', keys.watched, listed);
      if (watching !== watches.size) note('watches', keys.watches(incarnation), tooMuch(watching, watches.size));
    }
    const [topicCount, connectionCount] = [countOf(local.topics()), countOf(local.connections())];
    if (!isAbout(topics, topicCount, pending.topics.size)) note('topics', keys.topics(incarnation), tooMuch(topics, topicCount));
    if (!isAbout(records, connectionCount, pending.connections.size)) {
      note('records', keys.records(incarnation), tooMuch(records, connectionCount));
    }
    return found;
  }

  async #verifyTopics({ incarnation, unwritten }: Written, topics: readonly Topic[]): Promise<readonly Difference[]> {
    const { store, keys, local } = this.#options;
    const found: Difference[] = [];
    for (const slice of slices(topics, KEYS_PER_BATCH)) {
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
        if (!isAbout(count, expected, tolerance)) found.push(differenceOf({ topic }, keys.counts(topic), counts));
        if (!isAbout(size, expected, tolerance)) {
          found.push(differenceOf({ topic }, keys.members(topic, incarnation), tooMuch(size, expected)));
        }
      });
    }
    return found;
  }

  async #verifyConnections({ incarnation, unwritten }: Written, ids: readonly string[]): Promise<readonly Difference[]> {
    const { store, keys, local } = this.#options;
    const found: Difference[] = [];
    for (const slice of slices(ids, KEYS_PER_BATCH)) {
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
        if (text !== encodeRecord(record)) found.push(differenceOf({ connection: id }, keys.records(incarnation), texts));
        const expected = record.groups.length;
        const size = sizes[many.get(id) ?? -1] ?? expected;
        if (size !== expected) {
          found.push(differenceOf({ connection: id }, keys.groups(incarnation, id), tooMuch(size, expected)));
        }
      });
    }
    return found;
  }
}

/** Makes a difference. With an Error as the answer the key must be deleted first. */
const differenceOf = (part: Difference['part'], key: string, answer: unknown): Difference => ({
  key,
  part,
  mustDelete: answer instanceof Error,
});

/** Returns an Error for a set with additional members: these are not known, so the set must be deleted. */
const tooMuch = (found: unknown, expected: number): unknown => (Number(found) > expected ? new Error('too much') : found);

function countOf(items: Iterable<unknown>): number {
  let count = 0;
  for (const _item of items) count++;
  return count;
}

const isAbout = (found: unknown, expected: number, tolerance: number): boolean =>
  typeof found === 'number' && Math.abs(found - expected) <= tolerance;
