import { read, type ConnectionRecord, type NodeInfo, type Read, type Topic } from '@hubline/server/backplane';
import { fieldsIn, isFields, isTexts, type Fields } from './decoding.ts';
import type { Incarnation } from './keys.ts';

/**
 * The version of the values in Redis, which JSON objects carry as `v`. Each kind of value has one decoder, which returns undefined for a
 * value that cannot be decoded or has another version.
 */
export const VERSION = 2;

export const encodeNode = ({ nodeId, process, app, accepts, startedAt }: NodeInfo): string =>
  JSON.stringify({ v: VERSION, nodeId, process, app, accepts, startedAt });

/** @throws HublineError `invalid_message` */
export const readNode: Read<NodeInfo> = read.fields({
  nodeId: read.text,
  process: read.text,
  app: read.text,
  accepts: read.flag,
  startedAt: read.number,
});

export const decodeNode = (text: unknown): NodeInfo | undefined => tried(readNode, objectIn(text));

/**
 * The most characters of group names in a connection's record, which each join writes again. More groups are a separate set.
 */
export const INLINE = 512;

/** Returns the length of the names of groups in a record; if it exceeds `most`, any number above `most`. */
export function lengthOf(groups: readonly string[], most: number): number {
  let length = 0;
  for (const group of groups) {
    length += lengthOfGroup(group);
    if (length > most) break;
  }
  return length;
}
export const lengthOfGroup = (name: string): number => name.length + '"",'.length;

/** Encodes a record. Its groups are included unless they exceed {@link INLINE}. */
export function encodeRecord({ hub, userId, attributes, groups, connectedAt }: ConnectionRecord): string {
  const few = lengthOf(groups, INLINE) > INLINE ? undefined : groups;
  return JSON.stringify({ v: VERSION, hub, userId, attributes, groups: few, connectedAt });
}

/** A record, or a record whose groups are a separate set. */
export type DecodedRecord =
  | { readonly isWhole: true; readonly record: ConnectionRecord }
  | { readonly isWhole: false; readonly record: Omit<ConnectionRecord, 'groups'> };

const isAttribute = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value);

const readRecord = read.fields({
  hub: read.name,
  userId: read.optional(read.name),
  attributes: (value): ConnectionRecord['attributes'] =>
    isFields(value) && Object.keys(value).every(read.isName) && Object.values(value).every(isAttribute) ?
      (value as ConnectionRecord['attributes'])
    : read.refuse('attributes', value),
  groups: read.optional(read.list(read.name)),
  connectedAt: read.number,
});

export function decodeRecord(connectionId: string, text: unknown): DecodedRecord | undefined {
  const found = tried(readRecord, objectIn(text));
  if (!found) return undefined;
  const { hub, userId, attributes, groups, connectedAt } = found;
  const record: Omit<ConnectionRecord, 'groups'> =
    userId === undefined ? { connectionId, hub, attributes, connectedAt } : { connectionId, hub, userId, attributes, connectedAt };
  // `assign` and no spreads, which took as long as the parsing of the text.
  return groups ? { isWhole: true, record: Object.assign(record, { groups: groups.toSorted() }) } : { isWhole: false, record };
}

/** Decodes a set of groups, whose names are encoded as in topics. */
export function decodeGroups(names: unknown): readonly string[] | undefined {
  if (!isTexts(names)) return undefined;
  try {
    return names.map((name) => decodeURIComponent(name)).sort();
  } catch {
    return undefined; // no node writes such a text
  }
}

/** Returns the encoded name of the group of a topic; undefined for a topic of another kind. */
export function groupIn(topic: Topic): string | undefined {
  const [, kind, name] = topic.split(':');
  return kind === 'group' ? name : undefined;
}

/** Decodes a hash of numbers by incarnation, which ioredis returns as an object. A number that cannot be decoded is undefined. */
export function decodeCounts(hash: unknown): ReadonlyMap<string, number | undefined> | undefined {
  return isFields(hash) ? new Map(Object.entries(hash).map(([field, value]) => [field, decodeNumber(value)])) : undefined;
}

export const decodeNumber = (text: unknown): number | undefined =>
  typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

/** Decodes the number of topics that an incarnation watches, and a version that changes with them. */
export function decodeWatched(text: unknown): { readonly version: string; readonly size: number } | undefined {
  const [, version, size] = (typeof text === 'string' && /^(\d{1,15}) (\d{1,9})$/.exec(text)) || [];
  return version === undefined ? undefined : { version, size: Number(size) };
}

export const LEASE = { registering: '0', alive: '1' } as const;
/** The value of {@link Keys.whole}. */
export const WHOLE = '1';
export type LeaseState = keyof typeof LEASE | 'ended' | 'unreadable';

export function decodeLease(text: unknown): LeaseState {
  if (text === null) return 'ended';
  return (Object.keys(LEASE) as (keyof typeof LEASE)[]).find((state) => LEASE[state] === text) ?? 'unreadable';
}
export const isAlive = (state: LeaseState): boolean => state === 'alive';

export const decodeTexts = (list: unknown): readonly string[] | undefined => (isTexts(list) ? list : undefined);

export const isIncarnation = (text: unknown): text is Incarnation => typeof text === 'string' && /^[^\s{}]+\.[1-9]\d{0,14}$/.test(text);

/** Returns undefined for a value that the reader refuses. */
function tried<T>(read: Read<T>, value: unknown): T | undefined {
  try {
    return read(value);
  } catch {
    return undefined;
  }
}

function objectIn(text: unknown): Fields | undefined {
  const fields = typeof text === 'string' ? fieldsIn(text) : undefined;
  return fields?.v === VERSION ? fields : undefined;
}
