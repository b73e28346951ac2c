import type { ConnectionRecord, NodeInfo, Topic } from '@hubline/server/backplane';
import type { Incarnation } from './keys.ts';

/**
 * The version of the values in Redis. Each kind has one decoder, which returns undefined for a value that it cannot read, also one of
 * another version. Objects carry the version, which applies to everything that one process writes.
 */
export const VERSION = 2;

export const encodeNode = ({ nodeId, process, app, accepts, startedAt }: NodeInfo): string =>
  JSON.stringify({ v: VERSION, nodeId, process, app, accepts, startedAt });

export function decodeNode(text: unknown): NodeInfo | undefined {
  const node = objectIn(text);
  if (!node || typeof node.nodeId !== 'string' || typeof node.process !== 'string') return undefined;
  if (typeof node.app !== 'string' || typeof node.accepts !== 'boolean' || typeof node.startedAt !== 'number') return undefined;
  const { nodeId, process, app, accepts, startedAt } = node;
  return { nodeId, process, app, accepts, startedAt };
}

/** Encodes the part of a record that joins do not change. */
export const encodeRecord = ({ hub, userId, attributes, since }: ConnectionRecord): string =>
  JSON.stringify({ v: VERSION, hub, userId, attributes, since });

export function decodeRecord(connectionId: string, text: unknown, groups: unknown): ConnectionRecord | undefined {
  const record = objectIn(text);
  if (!record || typeof record.hub !== 'string' || typeof record.since !== 'number') return undefined;
  const { hub, userId, attributes, since } = record;
  const names = decodeGroups(groups);
  if (!names || !isObject(attributes) || (userId !== undefined && typeof userId !== 'string')) return undefined;
  if (Object.values(attributes).some((value) => !['string', 'number', 'boolean'].includes(typeof value))) return undefined;
  return {
    connectionId,
    hub,
    ...(userId === undefined ? {} : { userId }),
    attributes: attributes as ConnectionRecord['attributes'],
    groups: names,
    since,
  };
}

/** Names as they stand in topics, in a set. */
function decodeGroups(names: unknown): readonly string[] | undefined {
  if (!isTexts(names)) return undefined;
  try {
    return names.map((name) => decodeURIComponent(name)).sort();
  } catch {
    return undefined; // this text is encoded by no node
  }
}

/** The group of a topic, by its name there; undefined where the topic is of another kind. */
export function groupIn(topic: Topic): string | undefined {
  const [, kind, name] = topic.split(':');
  return kind === 'group' ? name : undefined;
}

/** A hash of numbers by incarnation, or undefined where it is none; an unreadable number is undefined. ioredis gives an object. */
export function decodeCounts(hash: unknown): ReadonlyMap<string, number | undefined> | undefined {
  return isObject(hash) ? new Map(Object.entries(hash).map(([field, value]) => [field, decodeNumber(value)])) : undefined;
}

export const decodeNumber = (text: unknown): number | undefined =>
  typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

/** Decodes the number of topics that an incarnation watches, and a version that changes with them. */
export function decodeWatched(text: unknown): { readonly version: string; readonly size: number } | undefined {
  const [, version, size] = (typeof text === 'string' && /^(\d{1,15}) (\d{1,9})$/.exec(text)) || [];
  return version === undefined ? undefined : { version, size: Number(size) };
}

/** The values of a lease. `partial`: the incarnation lives, and some of its entries are not written. */
export const LEASE = { registering: '0', alive: '1', partial: '2' } as const;
export type LeaseState = keyof typeof LEASE | 'over' | 'unreadable';

export function decodeLease(text: unknown): LeaseState {
  if (text === null) return 'over';
  return (Object.keys(LEASE) as (keyof typeof LEASE)[]).find((state) => LEASE[state] === text) ?? 'unreadable';
}
export const isAlive = (state: LeaseState): boolean => state === 'alive' || state === 'partial';

export const decodeTexts = (list: unknown): readonly string[] | undefined => (isTexts(list) ? list : undefined);

export const isIncarnation = (text: unknown): text is Incarnation => typeof text === 'string' && /^[^\s{}]+\.[1-9]\d{0,14}$/.test(text);

const isTexts = (list: unknown): list is readonly string[] => Array.isArray(list) && list.every((each) => typeof each === 'string');
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Error);

function objectIn(text: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && value.v === VERSION ? value : undefined;
  } catch {
    return undefined; // it is no JSON
  }
}
