import { LocalDouble } from '@hubline/testing/conformance';
import { describe, expect, it } from 'vitest';
import type { NodeInfo } from '@hubline/server';
import { DirectoryWriter, type DirectoryWriterOptions } from '../src/directory-writer.ts';
import { Keys, type Incarnation } from '../src/keys.ts';
import type { LinkEvents, SessionRestart } from '../src/link-context.ts';
import { settingsFrom } from '../src/options.ts';
import type { Command } from '../src/redis-connection.ts';
import { Registration } from '../src/registration.ts';
import { MemoryStore } from './memory-store.ts';
import { NO_EVENTS } from './repair-nodes.ts';

const keys = new Keys('p');
const self: NodeInfo = { nodeId: 'ann', process: 'ann', app: 'test', accepts: true, startedAt: 0 };

const availabilityOf = (has: (key: string) => boolean) => ({
  has,
  hasChannel: () => true,
  areAllAvailable: true,
  mayLackSubscribers: () => false,
});
const UP = { isUp: true, isEntering: true, outage: undefined, settled: Promise.resolve() };

async function registered({
  events = {},
  store = new MemoryStore({ isSingleRedis: false }),
  ...parts
}: Partial<Omit<DirectoryWriterOptions, 'events' | 'store'>> & {
  readonly events?: Partial<LinkEvents>;
  readonly store?: MemoryStore;
} = {}) {
  const local = new LocalDouble();
  const over: Incarnation[] = [];
  const shared = {
    self,
    local,
    store,
    keys,
    settings: settingsFrom({ nodeTimeoutMs: 1000, heartbeatIntervalMs: 400 }),
    sweeper: { deleteAll: async () => undefined, schedule: (old: Incarnation) => void over.push(old) },
  };
  const registration = new Registration(shared);
  const writeFailed = (error: unknown): void => {
    throw error;
  };
  const writer = new DirectoryWriter({
    ...shared,
    registration,
    peers: { doubtAll: () => undefined },
    unreadable: { value: () => undefined, message: () => undefined },
    status: UP,
    availability: availabilityOf(() => true),
    events: { ...NO_EVENTS, writeFailed, ...events },
    ...parts,
  });
  await writer.register(Promise.resolve());
  const change = () => writer.changed({ topics: ['t'], connections: ['c'] });
  return { store, local, writer, registration, over, change };
}

it('a flush writes to the other shards again if one becomes unavailable meanwhile', async () => {
  const store = new MemoryStore({ isSingleRedis: false });
  const { local, writer } = await registered({
    store,
    availability: availabilityOf((key) => store.failures === 0 || !key.includes('{gone}')),
    status: {
      ...UP,
      get isUp() {
        return store.failures === 0;
      },
    },
    events: { writeFailed: () => undefined },
  });
  store.loseKey(keys.counts('gone'));
  const { watched } = await writer.changed(local.join('c', 'live', 'gone'));
  expect(store.failures).toBe(1);
  expect(store.redis.execute(['hgetall', keys.counts('live')])).toEqual({ 'ann.1': '1' });
  expect(store.redis.execute(['hgetall', keys.counts('gone')])).toEqual({});
  expect([...watched]).toEqual([]);
});

it('a node is marked as incomplete before a change resolves that Redis would refuse to write', async () => {
  let isRefused = false;
  const { store, change } = await registered({
    status: {
      ...UP,
      get outage() {
        return isRefused ? ('refused' as const) : undefined;
      },
    },
  });
  isRefused = true;
  const sent = store.record();
  await change();
  expect(sent).toEqual([`del ${keys.whole('ann.1')}`]);
});

it('a node is marked as incomplete before a repair deletes a key, and as complete after it', async () => {
  const { store, writer } = await registered();
  for (const key of [keys.registry, keys.topics('ann.1')]) store.redis.execute(['set', key, 'of another type']);
  const sent = store.record();
  await writer.renewLease();
  const [mark, ...repair] = sent.slice(sent.indexOf(`del ${keys.whole('ann.1')}`));
  expect(mark).toBe(`del ${keys.whole('ann.1')}`);
  expect(sent.indexOf(`del ${keys.registry}`)).toBeGreaterThan(sent.indexOf(String(mark)));
  expect(repair.indexOf(`hset ${keys.registry}`)).toBe(repair.indexOf(`del ${keys.registry}`) + 1);
  expect(repair).toContain(`del ${keys.topics('ann.1')}`);
  expect(repair.at(-1)).toBe(`set ${keys.whole('ann.1')}`);
});

it('a writer renews the lease once for calls that overlap', async () => {
  const { store, writer, registration } = await registered();
  const sent = store.record();
  const renewals = () => sent.filter((command) => command === `pexpire ${keys.writes(registration.session.incarnation, '0')}`).length;
  await Promise.all([writer.renewLease(), writer.renewLease(), writer.renewLease()]);
  expect(renewals()).toBe(1);
  await writer.renewLease();
  expect(renewals()).toBe(2);
});

describe('another session begins', () => {
  it('another session begins if Redis redirects a command of a flush', async () => {
    const { store, registration, over, change } = await registered();
    await change();
    expect([registration.session.incarnation, over]).toEqual(['ann.1', []]);
    store.redirectNext('zrem');
    await change();
    expect([registration.session.incarnation, over]).toEqual(['ann.2', ['ann.1']]);
    await change();
    expect(registration.session.incarnation).toBe('ann.2');
  });

  it.each([
    ['a flush', 'changed'],
    ['a heartbeat', 'heartbeat'],
  ] as const)('another session begins if INCR of %s does not return the next number', async (_name, by) => {
    const { store, writer, registration, over, change } = await registered();
    await change();
    store.redis.loseIncrement(keys.writes('ann.1', '0'));
    await (by === 'heartbeat' ? writer.renewLease() : change());
    expect([registration.session.incarnation, over]).toEqual(['ann.2', ['ann.1']]);
  });

  it('a registration is repeated under another incarnation if Redis redirects one of its commands', async () => {
    const { store, writer, registration } = await registered();
    store.redirectNext('hset');
    await writer.register(Promise.resolve());
    expect(registration.session.incarnation).toBe('ann.3');
  });
});

it.each([true, false])(
  'a node whose writes are missing begins another session, and reports whether its lease had ended: %s',
  async (hadEnded) => {
    const restarts: SessionRestart[] = [];
    const { store, writer, registration } = await registered({ events: { sessionRestarted: (restart) => void restarts.push(restart) } });
    if (hadEnded) store.redis.execute(['del', keys.lease('ann.1')]);
    store.redis.execute(['del', keys.writes('ann.1', '0')]);
    await writer.renewLease();
    expect(registration.session.n).toBe(2);
    expect(restarts).toEqual([{ hadEnded, silentMs: expect.any(Number) as number }]);
  },
);

it('a writer marks the other nodes as unconfirmed before another session begins, and not before the first one', async () => {
  const events: string[] = [];
  const session = (name: string) => () => void events.push(`${name} ${registration.session.n}`);
  const { store, writer, registration } = await registered({
    peers: { doubtAll: () => session('doubted')() },
    events: { sessionRestarted: () => session('restarted')() },
  });
  expect(events).toEqual([]);
  store.redis.execute(['del', keys.writes('ann.1', '0')]);
  await writer.renewLease();
  expect(events).toEqual(['doubted 1', 'restarted 2']);
});

const DAMAGED: readonly [string, { readonly wrong: Command; readonly read: Command; readonly right: unknown }][] = [
  ['its watches', { wrong: ['sadd', keys.watches('ann.1'), 'additional'], read: ['scard', keys.watches('ann.1')], right: 0 }],
  ['its lease', { wrong: ['set', keys.lease('ann.1'), 'unreadable'], read: ['get', keys.lease('ann.1')], right: '1' }],
];

it.each(DAMAGED)('a writer reports a repair after it has written %s again', async (_what, { wrong, read, right }) => {
  const store = new MemoryStore({ isSingleRedis: false });
  const found: unknown[] = [];
  const entriesRepaired = (): void => void found.push([store.redis.execute(read), store.redis.execute(['get', keys.whole('ann.1')])]);
  const { writer } = await registered({ store, events: { entriesRepaired } });
  await writer.renewLease();
  expect(found).toEqual([]);
  store.redis.execute(wrong);
  await writer.renewLease();
  expect(found).toEqual([[right, '1']]);
});
