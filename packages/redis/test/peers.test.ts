import { describe, expect, it, vi } from 'vitest';
import type { NodeInfo } from '@hubline/server';
import { Keys, type Incarnation } from '../src/keys.ts';
import type { Command } from '../src/redis-connection.ts';
import { settingsFrom } from '../src/options.ts';
import { Peers } from '../src/peers.ts';
import { Session } from '../src/session.ts';
import type { Store } from '../src/store.ts';
import { encodeNode } from '../src/values.ts';
import { NO_EVENTS } from './repair-nodes.ts';

const keys = new Keys('p');
const bob: NodeInfo = { nodeId: 'bob', process: 'bob', app: 'test', accepts: true, startedAt: 0 };
const first: Incarnation = 'bob.1';
const session = new Session({ process: 'ann', n: 1, keys, nodeTimeoutMs: 1000 });

/** A store whose answers have the state at the time of the command, and arrive when the test releases them. */
class SlowStore {
  /** The leases by incarnation; undefined for one that has ended and is not swept yet. */
  readonly leases = new Map<Incarnation, string | undefined>();
  readonly isSingleRedis = true;
  readonly #pending: (() => void)[] = [];

  read(commands: readonly Command[]): Promise<readonly unknown[]> {
    return this.run(commands);
  }

  run(commands: readonly Command[]): Promise<readonly unknown[]> {
    const answers = commands.map((command) => this.#answer(command));
    return new Promise((resolve) => this.#pending.push(() => resolve(answers)));
  }

  async release(): Promise<void> {
    for (let left = 10; left > 0; left--) {
      for (const arrive of this.#pending.splice(0)) arrive();
      await Promise.resolve(); // the next query
      await Promise.resolve();
    }
  }

  #answer([name, key, ...fields]: Command): unknown {
    if (name === 'hkeys') return [...this.leases.keys()];
    if (name === 'hmget') return fields.map((field) => (this.leases.has(field as Incarnation) ? encodeNode(bob) : null));
    if (name === 'pttl') return this.#lease(String(key)) === null ? -2 : 1000;
    return [key, ...fields].map((each) => this.#lease(String(each)));
  }

  #lease(key: string): string | null {
    return key === keys.lease('ann.1') ? '1' : (this.leases.get(key.split(':').at(-1) as Incarnation) ?? null);
  }
}

function peersOn(store: SlowStore, has: (key: string) => boolean = () => true) {
  const told: string[] = [];
  const peers = new Peers({
    self: { ...bob, nodeId: 'ann', process: 'ann' },
    registration: { session },
    sweeper: { schedule: () => undefined },
    unreadable: { value: (key, field) => void told.push(`unreadable: ${key} ${field}`), message: () => undefined },
    store: store as unknown as Store,
    keys,
    settings: settingsFrom({ nodeTimeoutMs: 1000, heartbeatIntervalMs: 400 }),
    availability: { has, hasChannel: () => true, areAllAvailable: true, mayLackSubscribers: () => false },
    events: {
      ...NO_EVENTS,
      joined: ({ nodeId }) => void told.push(`${nodeId} joined`),
      lost: ({ nodeId }, reason) => void told.push(`${nodeId} lost: ${reason}`),
    },
  });
  peers.announce();
  return { peers, told };
}

describe('a late answer of Redis', () => {
  it('a late answer of Redis does not report a node as lost that has joined since', async () => {
    const store = new SlowStore();
    const { peers, told } = peersOn(store);
    const refreshed = peers.refresh();
    store.leases.set(first, '1');
    peers.hello(first, bob);
    await store.release();
    await refreshed;
    expect(told).toEqual(['bob joined']);
  });

  it('a late answer of Redis does not restore a node that has left since', async () => {
    const store = new SlowStore();
    const { peers, told } = peersOn(store);
    store.leases.set(first, '1');
    peers.hello(first, bob);
    const refreshed = peers.refresh();
    store.leases.delete(first);
    peers.goodbye(first);
    await store.release();
    await refreshed;
    expect(told).toEqual(['bob joined', 'bob lost: goodbye']);
  });
});

it('a node whose lease is missing is not lost while this node cannot read whether it has another incarnation', async () => {
  const store = new SlowStore();
  const { peers, told } = peersOn(store, (key) => key !== keys.registry);
  store.leases.set(first, '1');
  peers.hello(first, bob);
  peers.suspend();
  store.leases.delete(first); // bob has registered again before this node: its next incarnation has a lease
  store.leases.set('bob.2', '1');
  const refreshed = peers.refresh();
  await store.release();
  await refreshed;
  expect([told, peers.unconfirmed]).toEqual([['bob joined'], ['bob']]);
  const resumed = peers.resume();
  await store.release();
  await resumed;
  expect(told).not.toContain('bob lost: lease');
});

it('a hello of an incarnation whose lease has ended is ignored', async () => {
  const store = new SlowStore();
  const { peers, told } = peersOn(store);
  store.leases.set(first, undefined);
  const refreshed = peers.refresh();
  await store.release();
  await refreshed;
  peers.hello(first, bob);
  expect(told).toEqual([]);
});

it('an incarnation that was announced without a lease is replaced by the one with a lease', async () => {
  const store = new SlowStore();
  const { peers, told } = peersOn(store);
  let now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  const refresh = async (): Promise<void> => {
    const refreshed = peers.refresh();
    await store.release();
    await refreshed;
  };
  try {
    store.leases.set(first, '1');
    peers.hello(first, bob);
    peers.hello('bob.999', bob);
    await refresh();
    expect(peers.incarnation('bob')).toBe('bob.999'); // the answer of Redis may be older than the hello
    now += 1001;
    await refresh();
    expect(peers.incarnation('bob')).toBe(first);
    expect(peers.nextEndMs).toBeGreaterThan(500); // its lease is not checked again at once
    expect(told).not.toContain('bob lost: lease');
  } finally {
    clock.mockRestore();
  }
});

it('the remaining time of a lease stands still while the lease cannot be read', async () => {
  const store = new SlowStore();
  let isReached = true;
  const { peers, told } = peersOn(store, () => isReached);
  let now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
  try {
    store.leases.set(first, '1');
    peers.hello(first, bob);
    isReached = false;
    peers.suspend();
    store.leases.clear();
    now += 5000; // the lease is valid for 1,000 ms
    for (const ask of [() => peers.refresh(), () => peers.resume()]) {
      const asked = ask();
      await store.release();
      await asked;
    }
    expect([told, peers.unconfirmed]).toEqual([['bob joined'], ['bob']]);
    now += 1001;
    const refreshed = peers.refresh();
    await store.release();
    await refreshed;
    expect(told).toEqual(['bob joined', 'bob lost: lease']);
  } finally {
    clock.mockRestore();
  }
});

it('a node is known as soon as a query has read its lease', async () => {
  const store = new SlowStore();
  const { peers, told } = peersOn(store);
  store.leases.set(first, '1');
  const reading = peers.leases.readLiveNodes([]);
  await store.release();
  expect([...(await reading).liveNodes.values()].map(({ nodeId }) => nodeId)).toEqual(['ann', 'bob']);
  expect(told).toEqual(['bob joined']);
  peers.hello(first, bob);
  expect(told).toEqual(['bob joined']);
});
