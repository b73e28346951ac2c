import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Keys, type Incarnation } from '../src/keys.ts';
import { MissingEntries } from '../src/missing-entries.ts';
import type { Command } from '../src/redis-connection.ts';
import { useFakeTime, advance } from './repair-nodes.ts';

const keys = new Keys('p');
const ann: Incarnation = 'ann.1';
const bob: Incarnation = 'bob.1';

beforeEach(useFakeTime);
afterEach(() => {
  vi.useRealTimers();
});

/** A Redis that answers each command from its present keys. */
class Holds {
  readonly counted = new Set<string>();
  readonly listed = new Set<string>();
  readonly members = new Set<string>();
  readonly subscribed = new Set<string>(['t', 'u']);
  readonly asked: string[] = [];
  /** Called before each command. */
  happens: (name: string) => void = () => undefined;

  readonly missing = new MissingEntries({
    keys,
    store: { listeners: async (channels) => channels.map((channel) => (this.subscribed.has(keys.nameOf(channel)) ? 1 : 0)) },
    read: async (commands) => commands.map((command) => this.#answer(command)),
  });

  #answer([name, key, ...fields]: Command): unknown {
    this.happens(name);
    this.asked.push(name);
    if (name === 'zscore') return this.listed.has(`${String(fields[0])} ${String(key)}`) ? '0' : null;
    if (name === 'zcard') return this.members.has(String(key)) ? 1 : 0;
    return fields.map((incarnation) => (this.counted.has(`${String(key)} ${String(incarnation)}`) ? '1' : null));
  }

  list(topic: string, incarnation: Incarnation): void {
    this.listed.add(`${topic} ${keys.topics(incarnation)}`);
  }
  count(topic: string, incarnation: Incarnation): void {
    this.counted.add(`${keys.counts(topic)} ${incarnation}`);
  }
}

/** The result, when all pauses are over. */
async function ofAll<T>(found: Promise<T>): Promise<T> {
  await advance(1000);
  return found;
}

describe('a count', () => {
  it('a count is missing if a process stays uncounted in a topic that its index lists', async () => {
    const holds = new Holds();
    holds.list('t', ann);
    holds.list('u', bob);
    holds.count('u', bob);
    expect(await ofAll(holds.missing.counts(['t', 'u'], [ann, bob]))).toEqual([ann]);
    expect(holds.asked.filter((name) => name === 'zscore')).toHaveLength(4 + 3); // further checks cover only the missing count
  });

  it.each([1, 2, 3])('a count is not missing if it is written before %d more checks', async (times) => {
    const holds = new Holds();
    holds.list('t', ann);
    let reads = 0;
    holds.happens = (name) => {
      if (name === 'hmget' && ++reads > times) holds.count('t', ann);
    };
    expect(await ofAll(holds.missing.counts(['t'], [ann]))).toEqual([]);
    expect(reads).toBe(times + 1);
  });

  it('a count is not missing if the process joins during a check', async () => {
    const holds = new Holds();
    let isRead = false;
    holds.happens = () => {
      if (!isRead) return void (isRead = true);
      holds.list('t', ann); // the process writes its index, then the count
      holds.count('t', ann);
    };
    expect(await ofAll(holds.missing.counts(['t'], [ann]))).toEqual([]);
    expect(holds.asked).toEqual(['zscore', 'hmget']);
  });

  it('a count is not checked if no node is subscribed to the topic', async () => {
    const holds = new Holds();
    holds.subscribed.clear();
    holds.list('t', ann);
    expect(await ofAll(holds.missing.counts(['t'], [ann]))).toEqual([]);
    expect(holds.asked).toEqual([]);
  });
});

describe('members', () => {
  it('members are missing if a process is counted and stays without members', async () => {
    const holds = new Holds();
    for (const each of [ann, bob]) holds.count('t', each);
    holds.members.add(keys.members('t', bob));
    const holdings = [ann, bob].map((incarnation) => ({ topic: 't', incarnation }));
    expect(await ofAll(holds.missing.members(holdings))).toEqual([ann]);
  });

  it('members are not missing if the last one leaves during a check', async () => {
    const holds = new Holds();
    holds.count('t', ann);
    let reads = 0;
    holds.happens = () => {
      if (++reads > 2) holds.counted.clear();
    };
    expect(await ofAll(holds.missing.members([{ topic: 't', incarnation: ann }]))).toEqual([]);
  });
});
