import { until } from '@hubline/testing';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { Client } from './client.ts';
import { PATIENT, type World } from './world.ts';

/** Keys and what they hold, in a form that can be compared: sorted, and without what counts on. */
type Held = ReadonlyMap<string, unknown>;

/** A process that lives, and who is connected to it. */
export interface Living {
  readonly process: string;
  readonly clients: Iterable<Client>;
  /** Topics that it watches. */
  readonly watches?: readonly string[];
}

/** Each process of the cluster that has a client among these. */
export function livingOf(clients: Iterable<Client>): readonly Living[] {
  const processes = new Map<string, Client[]>();
  for (const client of clients) processes.set(client.process, [...(processes.get(client.process) ?? []), client]);
  return [...processes].map(([process, its]) => ({ process, clients: its }));
}

export interface TruthOptions {
  /** What is left of incarnations that are over, and of their sweeps, is left out. Default false. */
  readonly exceptDead?: boolean;
}

/** Waits until Redis holds all that these processes should have there, and nothing else. */
export async function expectTruth(
  { redis, prefix }: World,
  living: readonly Living[],
  { exceptDead = false }: TruthOptions = {},
): Promise<void> {
  const link = new Redis(redis.url);
  link.on('error', () => undefined); // the answers tell
  try {
    const compare = async (): Promise<true> => {
      const registered = await link.hkeys(`${prefix}:{nodes}`);
      const incarnations = living.map(({ process }) => latest(process, registered));
      const found = await held(link, prefix);
      expect(exceptDead ? without(found, incarnations) : found).toEqual(expected({ prefix, living, incarnations }));
      return true;
    };
    await until(compare, { ...PATIENT, intervalMs: 200 }).catch((error: Error) => {
      throw error.cause instanceof Error ? error.cause : error;
    });
  } finally {
    link.disconnect();
  }
}

const numberIn = (incarnation: string): number => Number(incarnation.split('.')[1]);

function latest(process: string, registered: readonly string[]): string {
  const its = registered.filter((each) => each.startsWith(`${process}.`)).sort((a, b) => numberIn(b) - numberIn(a));
  return its[0] ?? `${process}.?`;
}

const INCARNATION = /[\w-]{11}\.\d+/;

function without(found: Held, living: readonly string[]): Held {
  const isOver = (name: string): boolean => {
    const [incarnation] = INCARNATION.exec(name) ?? [];
    return incarnation !== undefined && !living.includes(incarnation);
  };
  const kept = new Map<string, unknown>();
  for (const [key, value] of found) {
    if (isOver(key)) continue;
    const rest = value instanceof Map ? new Map([...(value as Map<string, unknown>)].filter(([field]) => !isOver(field))) : value;
    if (!(rest instanceof Map) || rest.size > 0) kept.set(key, rest);
  }
  return kept;
}

/** The topics that a connection of the testhub is in. */
export function topicsOf({ user, groups, attributes }: Client): readonly string[] {
  return [
    'testhub:all',
    ...(user === undefined ? [] : [`testhub:user:${encodeURIComponent(user)}`]),
    ...[...groups].map((group) => `testhub:group:${encodeURIComponent(group)}`),
    ...Object.entries(attributes).map(([key, value]) => `testhub:attribute:${key}=${encodeURIComponent(JSON.stringify(value))}`),
  ];
}

interface Premise {
  readonly prefix: string;
  readonly living: readonly Living[];
  readonly incarnations: readonly string[];
}

function expected({ prefix, living, incarnations }: Premise): Held {
  const keys = new Map<string, unknown>();
  const add = (key: string, entry: readonly [string, unknown]): void => {
    keys.set(key, new Map([...((keys.get(key) ?? new Map()) as Map<string, unknown>), entry].sort()));
  };
  for (const { process, clients, watches = [] } of living) {
    const incarnation = latest(process, incarnations);
    const own = (kind: string): string => `${prefix}:{${incarnation}}:${kind}`;
    add(`${prefix}:{nodes}`, [incarnation, process]);
    keys.set(`${prefix}:{nodes}:lease:${incarnation}`, '1');
    keys.set(`${prefix}:{nodes}:whole:${incarnation}`, 'n');
    keys.set(own('flushed'), 'n');
    keys.set(`${prefix}:{0}:writes:${incarnation}`, 'n');
    for (const topic of watches) add(`${prefix}:{nodes}:watches:${incarnation}`, [topic, true]);
    if (watches.length > 0) add(`${prefix}:{nodes}:watched`, [incarnation, new Set(watches).size]);
    const counts = new Map<string, number>();
    for (const client of clients) {
      const { id, user, attributes, groups } = client;
      // So few groups are a part of the record.
      const record = { ...(user === undefined ? {} : { userId: user }), attributes: { ...attributes }, groups: [...groups].sort() };
      add(own('records'), [id, record]);
      for (const topic of topicsOf(client)) {
        add(own('topics'), [topic, 0]);
        add(`${prefix}:{${topic}}:members:${incarnation}`, [id, 0]);
        counts.set(topic, (counts.get(topic) ?? 0) + 1);
      }
    }
    for (const [topic, count] of counts) add(`${prefix}:{${topic}}:counts`, [incarnation, String(count)]);
  }
  return new Map([...keys].sort());
}

async function held(link: Redis, prefix: string): Promise<Held> {
  const names = new Set<string>();
  let cursor = '0';
  do {
    const [next, found] = await link.scan(cursor, 'MATCH', `${prefix}:*`, 'COUNT', 1000);
    for (const name of found) names.add(name);
    cursor = next;
  } while (cursor !== '0');
  const keys = new Map<string, unknown>();
  for (const name of [...names].sort()) {
    const value = await valueOf(link, name);
    if (value !== undefined) keys.set(name, value);
  }
  return keys;
}

async function valueOf(link: Redis, name: string): Promise<unknown> {
  switch (await link.type(name)) {
    case 'string':
      return name.includes(':lease:') ? await link.get(name) : 'n';
    case 'set':
      return new Map((await link.smembers(name)).sort().map((member) => [member, true]));
    case 'zset': {
      const members = await link.zrange(name, '0', '-1');
      return new Map(members.sort().map((member) => [member, 0]));
    }
    case 'hash': {
      const entries = Object.entries(await link.hgetall(name)).sort();
      return new Map(entries.map(([field, value]) => [field, plainOf(value)]));
    }
    default:
      return undefined; // it has expired
  }
}

/** The part of a value that is known beforehand: of a record, of a node, of what is watched its number. */
function plainOf(value: string): unknown {
  if (/^\d+ \d+$/.test(value)) return Number(value.split(' ')[1]);
  return value.startsWith('{') ? shortOf(JSON.parse(value) as object) : value;
}

function shortOf(found: object): unknown {
  const { process, userId, attributes, groups } = found as { process?: string; userId?: string; attributes?: object; groups?: string[] };
  return process ?? { ...(userId === undefined ? {} : { userId }), attributes, groups: groups?.toSorted() };
}
