import type { ConnectionRecord, Local, Topic } from '@hubline/server/backplane';
import type { Incarnation, Keys } from './keys.ts';
import type { Command } from './line.ts';

/** Arguments of one command: more would hold up everybody else's. */
const SLICE = 500;

/**
 * The commands that write what a process has, absolute: done twice they change nothing. In three stages, each after the one
 * before is acknowledged, so that a sweep, which goes by what the first one writes and the last one takes away, finds all.
 */
export interface Writing {
  readonly before: Command[];
  readonly entries: Command[];
  readonly after: Command[];
}

/** What is to be written: the topics with the connections that may have come or gone, connections, and watched topics. */
export interface Dirt {
  readonly topics: Iterable<readonly [Topic, Iterable<string>]>;
  readonly connections: Iterable<string>;
  readonly watches: Iterable<Topic>;
}

export interface EntriesOptions {
  readonly keys: Keys;
  readonly incarnation: Incarnation;
  readonly local: Local;
  readonly isWatched: (topic: Topic) => boolean;
}

export function writingOf({ topics, connections, watches }: Dirt, { keys, incarnation, local, isWatched }: EntriesOptions): Writing {
  const writing: Writing = { before: [], entries: [], after: [] };
  const { before, entries, after } = writing;
  const records: string[] = [];
  const goneRecords: string[] = [];
  for (const id of connections) {
    const record = local.record(id);
    if (record) records.push(id, encodeRecord(record));
    else goneRecords.push(id);
  }
  const joined: Topic[] = [];
  const left: Topic[] = [];
  for (const [topic, ids] of topics) {
    const members = local.members(topic);
    const present: string[] = [];
    const gone: string[] = [];
    for (const id of ids) (members.has(id) ? present : gone).push(id);
    const key = keys.members(topic, incarnation);
    (members.size > 0 ? joined : left).push(topic);
    for (const slice of slices(present)) entries.push(['zadd', key, ...slice.flatMap((id) => [0, id])]);
    for (const slice of slices(gone)) entries.push(['zrem', key, ...slice]);
    entries.push(members.size > 0 ? ['hset', keys.counts(topic), incarnation, members.size] : ['hdel', keys.counts(topic), incarnation]);
  }
  const watched: Topic[] = [];
  const unwatched: Topic[] = [];
  for (const topic of watches) {
    const isHeld = isWatched(topic);
    (isHeld ? watched : unwatched).push(topic);
    entries.push([isHeld ? 'sadd' : 'srem', keys.watchers(topic), incarnation]);
  }
  for (const slice of slices(joined)) before.push(['zadd', keys.topics(incarnation), ...slice.flatMap((topic) => [0, topic])]);
  for (const slice of slices(records, 2 * SLICE)) before.push(['hset', keys.records(incarnation), ...slice]);
  for (const slice of slices(watched)) before.push(['sadd', keys.watches(incarnation), ...slice]);
  for (const slice of slices(left)) after.push(['zrem', keys.topics(incarnation), ...slice]);
  for (const slice of slices(goneRecords)) after.push(['hdel', keys.records(incarnation), ...slice]);
  for (const slice of slices(unwatched)) after.push(['srem', keys.watches(incarnation), ...slice]);
  return writing;
}

export function* slices<T>(items: readonly T[], size = SLICE): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

function encodeRecord({ hub, userId, attributes, groups, since }: ConnectionRecord): string {
  return JSON.stringify({ hub, userId, attributes, groups, since });
}

export function decodeRecord(connectionId: string, text: string): ConnectionRecord {
  return { connectionId, ...(JSON.parse(text) as Omit<ConnectionRecord, 'connectionId'>) };
}
