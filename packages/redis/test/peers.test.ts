import { describe, expect, it, vi } from 'vitest';
import type { NodeInfo } from '@hubline/server';
import { Keys, type Incarnation } from '../src/keys.ts';
import { settingsFrom } from '../src/options.ts';
import { Peers } from '../src/peers.ts';
import { Session } from '../src/session.ts';
import { encodeNode } from '../src/values.ts';
import { MemoryStore } from './memory-store.ts';
import { NO_EVENTS } from './repair-nodes.ts';

const keys = new Keys('p');
const bob: NodeInfo = { nodeId: 'bob', process: 'bob', app: 'test', accepts: true, startedAt: 0 };
const first: Incarnation = 'bob.1';
const session = new Session({ process: 'ann', n: 1, keys, nodeTimeoutMs: 1000 });

/** Makes a store whose answers have the state at the time of the command, and arrive when the test releases them. */
function slowStore(): MemoryStore {
  const store = new MemoryStore();
  store.redis.execute(['set', keys.lease('ann.1'), '1']);
  store.holdAnswers();
  return store;
}

/** Writes an incarnation of bob to the registry. */
function register({ redis }: MemoryStore, incarnation: Incarnation): void {
  redis.execute(['hset', keys.registry, incarnation, encodeNode(bob)]);
}
/** Writes an incarnation of bob to the registry, and its lease for 1,000 ms. */
function lease(store: MemoryStore, incarnation: Incarnation): void {
  register(store, incarnation);
  store.redis.execute(['set', keys.lease(incarnation), '1', 'PX', 1000]);
}
function sweep({ redis }: MemoryStore, incarnation: Incarnation): void {
  redis.execute(['hdel', keys.registry, incarnation]);
  redis.execute(['del', keys.lease(incarnation)]);
}

/** Stops `performance.now()` until it is disposed of. */
function stoppedClock(): Disposable & { advance(ms: number): void } {
  let now = performance.now();
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => now);
  return { advance: (ms) => void (now += ms), [Symbol.dispose]: () => spy.mockRestore() };
}

function peersOn(store: MemoryStore) {
  const reported: string[] = [];
  const peers = new Peers({
    self: { ...bob, nodeId: 'ann', process: 'ann' },
    registration: { session },
    sweeper: { schedule: () => undefined },
    unreadable: { value: (key, field) => void reported.push(`unreadable: ${key} ${field}`), message: () => undefined },
    store,
    keys,
    settings: settingsFrom({ nodeTimeoutMs: 1000, heartbeatIntervalMs: 400 }),
    availability: { has: (key) => store.isAvailable(key), hasChannel: () => true, areAllAvailable: true, mayLackSubscribers: () => false },
    events: {
      ...NO_EVENTS,
      joined: ({ nodeId }) => void reported.push(`${nodeId} joined`),
      lost: ({ nodeId }, reason) => void reported.push(`${nodeId} lost: ${reason}`),
    },
  });
  peers.announce();
  return { peers, reported };
}

describe('a late answer of Redis', () => {
  it('a late answer of Redis does not report a node as lost that has joined since', async () => {
    const store = slowStore();
    const { peers, reported } = peersOn(store);
    const refreshed = peers.refresh();
    lease(store, first);
    peers.hello(first, bob);
    await store.releaseAnswers(refreshed);
    expect(reported).toEqual(['bob joined']);
  });

  it('a late answer of Redis does not restore a node that has left since', async () => {
    const store = slowStore();
    const { peers, reported } = peersOn(store);
    lease(store, first);
    peers.hello(first, bob);
    const refreshed = peers.refresh();
    sweep(store, first);
    peers.goodbye(first);
    await store.releaseAnswers(refreshed);
    expect(reported).toEqual(['bob joined', 'bob lost: goodbye']);
  });
});

it('a node whose lease is missing is not lost while this node cannot read whether it has another incarnation', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  lease(store, first);
  peers.hello(first, bob);
  store.loseKey(keys.registry);
  peers.suspend();
  sweep(store, first); // bob has registered again before this node: its next incarnation has a lease
  lease(store, 'bob.2');
  await store.releaseAnswers(peers.refresh());
  expect([reported, peers.unconfirmed]).toEqual([['bob joined'], ['bob']]);
  store.restoreKey(keys.registry);
  await store.releaseAnswers(peers.resume());
  expect(reported).not.toContain('bob lost: lease');
});

it('a hello of an incarnation whose lease has ended is ignored', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  register(store, first);
  await store.releaseAnswers(peers.refresh());
  peers.hello(first, bob);
  expect(reported).toEqual([]);
});

it('an incarnation that was announced without a lease is replaced by the one with a lease', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  using clock = stoppedClock();
  const refresh = (): Promise<void> => store.releaseAnswers(peers.refresh());
  lease(store, first);
  peers.hello(first, bob);
  peers.hello('bob.999', bob);
  await refresh();
  expect(peers.incarnation('bob')).toBe('bob.999'); // the answer of Redis may be older than the hello
  clock.advance(1001);
  lease(store, first); // bob renews it
  await refresh();
  expect(peers.incarnation('bob')).toBe(first);
  expect(peers.nextEndMs).toBeGreaterThan(500); // its lease is not checked again at once
  expect(reported).not.toContain('bob lost: lease');
});

it('the remaining time of a lease stands still while the lease cannot be read', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  using clock = stoppedClock();
  lease(store, first);
  peers.hello(first, bob);
  store.loseKey(keys.registry);
  peers.suspend();
  sweep(store, first);
  clock.advance(5000); // the lease is valid for 1,000 ms
  await store.releaseAnswers(peers.refresh());
  store.restoreKey(keys.registry);
  await store.releaseAnswers(peers.resume());
  expect([reported, peers.unconfirmed]).toEqual([['bob joined'], ['bob']]);
  clock.advance(1001);
  await store.releaseAnswers(peers.refresh());
  expect(reported).toEqual(['bob joined', 'bob lost: lease']);
});

it('a node whose lease was deleted is lost at the next reading of the leases', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  using clock = stoppedClock();
  lease(store, first);
  peers.hello(first, bob);
  clock.advance(1); // the lease would be valid for 999 ms more
  sweep(store, first);
  await store.releaseAnswers(peers.refresh());
  expect(reported).toEqual(['bob joined', 'bob lost: lease']);
});

it('a node is not lost in an outage when the leases can be read again before the end of the outage', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  using clock = stoppedClock();
  lease(store, first);
  peers.hello(first, bob);
  store.loseKey(keys.registry);
  peers.suspend();
  sweep(store, first);
  clock.advance(5000); // the lease is valid for 1,000 ms
  store.restoreKey(keys.registry);
  await store.releaseAnswers(peers.refresh());
  expect([reported, peers.unconfirmed]).toEqual([['bob joined'], ['bob']]);
});

it('a node is known as soon as a query has read its lease', async () => {
  const store = slowStore();
  const { peers, reported } = peersOn(store);
  lease(store, first);
  const reading = peers.leases.readLiveNodes([]);
  expect([...(await store.releaseAnswers(reading)).liveNodes.values()].map(({ nodeId }) => nodeId)).toEqual(['ann', 'bob']);
  expect(reported).toEqual(['bob joined']);
  peers.hello(first, bob);
  expect(reported).toEqual(['bob joined']);
});
