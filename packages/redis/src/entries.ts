import { groupTopic, type LocalState, type Topic } from '@hubline/server/backplane';
import { encodeRecord, groupIn, INLINE, lengthOf } from './values.ts';
import type { Incarnation, Keys } from './keys.ts';
import type { Command } from './redis-connection.ts';

/** The most arguments of one command. A longer command would block Redis for other clients. */
const SLICE = 500;
/** The approximate bytes of the commands in one batch, which Redis answers well within every time limit. */
const BATCH_BYTES = 256 * 1024;
/** The estimated bytes of an argument without its text. */
const ARGUMENT_BYTES = 16;

/**
 * Idempotent commands that write a process's present state in three stages. Each stage is sent after the acknowledgement of the one
 * before. The first stage adds to the index and the last one deletes from it, so that a sweep, which reads the index, finds all entries.
 */
export interface Writing {
  readonly before: Command[];
  readonly entries: Command[];
  readonly after: Command[];
}

/** The parts of the state to write: topics with the connections that may have joined or left, and connections whose record has changed. */
export interface WriteSet {
  readonly topics: Iterable<readonly [Topic, Iterable<string>]>;
  readonly connections: Iterable<string>;
  /**
   * Returns an upper bound of the length of the names of groups that a connection has joined and left since its groups were written.
   * Undefined if no entry is written yet.
   */
  readonly moved?: (connectionId: string) => number;
}

/** Returns the whole state of a process. */
export function everythingIn(local: LocalState): WriteSet {
  return {
    topics: (function* () {
      for (const topic of local.topics()) yield [topic, local.members(topic).keys()] as const;
    })(),
    connections: local.connections(),
  };
}

export interface EntriesOptions {
  readonly keys: Keys;
  readonly incarnation: Incarnation;
  readonly local: LocalState;
}

/** Yields the commands of a flush in batches. The state is read when a batch is made, so that only one batch is in memory. */
export function* writingsOf(writeSet: WriteSet, options: EntriesOptions): Generator<Writing> {
  const sets = new Map<string, 'changed' | 'whole'>();
  let batch = new WriteBatch(options, sets);
  for (const id of writeSet.connections) {
    for (const step of connectionSteps(id, writeSet, options)) {
      step(batch, sets);
      if (!batch.isFull) continue;
      yield batch.writing();
      batch = new WriteBatch(options, sets);
    }
  }
  for (const [topic, ids] of writeSet.topics) {
    for (const slice of slices(ids)) {
      batch.addMembers(topic, slice);
      if (!batch.isFull) continue;
      yield batch.writing();
      batch = new WriteBatch(options, sets);
    }
  }
  yield batch.writing();
}

/**
 * Yields the writes of one connection. Few groups are a part of its record; more are a separate set, so that a join does not write all of
 * them again. The set is complete before the record refers to it, and is deleted after the record no longer does.
 */
function* connectionSteps(id: string, { moved }: WriteSet, { keys, incarnation, local }: EntriesOptions): Generator<Step> {
  const record = local.record(id);
  const most = moved?.(id) ?? 0;
  if (!record) {
    yield (batch) => batch.addGone(id, most > INLINE);
    return;
  }
  const length = lengthOf(record.groups, INLINE + most);
  if (length <= INLINE) {
    yield (batch) => batch.addRecord(id, encodeRecord(record));
    if (length + most > INLINE) yield (batch) => batch.addUnused(id);
    return;
  }
  const isChanged = moved !== undefined && length - most > INLINE; // the groups were a separate set before
  yield (_batch, sets) => sets.set(id, isChanged ? 'changed' : 'whole');
  if (!isChanged) {
    // A sweep finds the sets of groups by their records.
    yield (batch) => batch.addFirst(['hsetnx', keys.records(incarnation), id, encodeRecord(record)]);
    for (const slice of slices(record.groups)) {
      const names = slice.map((group) => groupIn(groupTopic(record.hub, group)) ?? '');
      yield (batch) => batch.addFirst(['sadd', keys.groups(incarnation, id), ...names]);
    }
  }
  yield (batch) => batch.addRecord(id, encodeRecord(record));
}
type Step = (batch: WriteBatch, sets: Map<string, 'changed' | 'whole'>) => void;

/** A change of the watched topics of an incarnation. Other nodes read the set again when the version in the hash has changed. */
export interface WatchChange {
  readonly changed: Iterable<Topic>;
  readonly held: ReadonlySet<Topic> | ReadonlyMap<Topic, unknown>;
  readonly version: number;
}

export function watchWritingOf({ changed, held, version }: WatchChange, keys: Keys, incarnation: Incarnation): readonly Command[] {
  const added: Topic[] = [];
  const removed: Topic[] = [];
  for (const topic of changed) (held.has(topic) ? added : removed).push(topic);
  if (added.length + removed.length === 0) return [];
  return [
    ...[...slices(added)].map((slice): Command => ['sadd', keys.watches(incarnation), ...slice]),
    ...[...slices(removed)].map((slice): Command => ['srem', keys.watches(incarnation), ...slice]),
    held.size > 0 ? ['hset', keys.watched, incarnation, `${version} ${held.size}`] : ['hdel', keys.watched, incarnation],
  ];
}

/** Returns the value that the commands write to {@link Keys.watched}; undefined if they write none. */
export const watchedIn = (commands: readonly Command[]): string | undefined =>
  commands.findLast(([name]) => name === 'hset')?.[3] as string | undefined;

/** Collects the commands of one batch. */
class WriteBatch {
  readonly #options: EntriesOptions;
  /** Connections whose groups are a separate set: its members are added and removed, or the whole set is written with the record. */
  readonly #sets: Map<string, 'changed' | 'whole'>;
  readonly #entries: Command[] = [];
  readonly #wholeSets: Command[] = [];
  readonly #records: string[] = [];
  readonly #goneRecords: string[] = [];
  readonly #joined: Topic[] = [];
  readonly #left: Topic[] = [];
  readonly #groups = new Map<string, { readonly joined: string[]; readonly left: string[] }>();
  #bytes = 0;

  constructor(options: EntriesOptions, sets: Map<string, 'changed' | 'whole'>) {
    this.#options = options;
    this.#sets = sets;
  }

  get isFull(): boolean {
    return this.#bytes >= BATCH_BYTES;
  }

  addMembers(topic: Topic, ids: readonly string[]): void {
    const { keys, incarnation, local } = this.#options;
    const members = local.members(topic);
    const present: string[] = [];
    const gone: string[] = [];
    for (const id of new Set(ids)) (members.has(id) ? present : gone).push(id);
    const key = keys.members(topic, incarnation);
    (members.size > 0 ? this.#joined : this.#left).push(topic);
    this.#bytes += topic.length + ARGUMENT_BYTES;
    if (present.length > 0) this.#add(['zadd', key, ...present.flatMap((id) => [0, id])]);
    if (gone.length > 0) this.#add(['zrem', key, ...gone]);
    this.#add(members.size > 0 ? ['hset', keys.counts(topic), incarnation, members.size] : ['hdel', keys.counts(topic), incarnation]);
    const group = this.#sets.size > 0 ? groupIn(topic) : undefined;
    if (group === undefined) return;
    for (const id of present) if (this.#sets.get(id) === 'changed') this.#groupsOf(id).joined.push(group);
    for (const id of gone) if (this.#sets.has(id)) this.#groupsOf(id).left.push(group);
    this.#bytes += ids.length * (group.length + ARGUMENT_BYTES);
  }

  addGone(id: string, hasSet: boolean): void {
    const { keys, incarnation } = this.#options;
    this.#goneRecords.push(id);
    this.#bytes += id.length + ARGUMENT_BYTES;
    if (hasSet) this.#add(['del', keys.groups(incarnation, id)]);
  }

  addRecord(id: string, text: string): void {
    this.#records.push(id, text);
    this.#bytes += id.length + text.length + 2 * ARGUMENT_BYTES;
  }

  /** Deletes the set of groups of a connection whose record includes all groups. */
  addUnused(id: string): void {
    this.#add(['del', this.#options.keys.groups(this.#options.incarnation, id)]);
  }

  /** Adds a command that is sent before the records. */
  addFirst(command: Command): void {
    this.#wholeSets.push(command);
    this.#count(command);
  }

  writing(): Writing {
    const { keys, incarnation } = this.#options;
    const groups = [...this.#groups].flatMap(([id, { joined, left }]) => {
      const key = keys.groups(incarnation, id);
      return [
        ...[...slices(joined)].map((slice): Command => ['sadd', key, ...slice]),
        ...[...slices(left)].map((slice): Command => ['srem', key, ...slice]),
      ];
    });
    return {
      before: [
        ...[...slices(this.#joined)].map((slice): Command => ['zadd', keys.topics(incarnation), ...slice.flatMap((topic) => [0, topic])]),
        ...this.#wholeSets,
        ...[...slices(this.#records, 2 * SLICE)].map((slice): Command => ['hset', keys.records(incarnation), ...slice]),
      ],
      entries: [...this.#entries, ...groups],
      after: [
        ...[...slices(this.#left)].map((slice): Command => ['zrem', keys.topics(incarnation), ...slice]),
        ...[...slices(this.#goneRecords)].map((slice): Command => ['hdel', keys.records(incarnation), ...slice]),
      ],
    };
  }

  #add(command: Command): void {
    this.#entries.push(command);
    this.#count(command);
  }

  #count(command: Command): void {
    for (const argument of command) this.#bytes += String(argument).length + ARGUMENT_BYTES;
  }

  #groupsOf(id: string) {
    let groups = this.#groups.get(id);
    if (!groups) this.#groups.set(id, (groups = { joined: [], left: [] }));
    this.#bytes += ARGUMENT_BYTES;
    return groups;
  }
}

export function* slices<T>(items: Iterable<T>, size = SLICE): Generator<readonly T[]> {
  let slice: T[] = [];
  for (const item of items) {
    if (slice.push(item) < size) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}
