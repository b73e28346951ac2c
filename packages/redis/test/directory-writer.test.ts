import { LocalDouble } from '@hubline/testing/conformance';
import { describe, expect, it, vi } from 'vitest';
import type { NodeInfo } from '@hubline/server';
import { DirectoryWriter, type DirectoryWriterOptions } from '../src/directory-writer.ts';
import { Keys, type Incarnation } from '../src/keys.ts';
import type { LinkEvents, SessionRestart } from '../src/link-context.ts';
import { settingsFrom } from '../src/options.ts';
import type { Command } from '../src/redis-connection.ts';
import { Registration } from '../src/registration.ts';
import type { Store } from '../src/store.ts';
import { encodeNode } from '../src/values.ts';
import { NO_EVENTS } from './repair-nodes.ts';

const keys = new Keys('p');
const self: NodeInfo = { nodeId: 'ann', process: 'ann', app: 'test', accepts: true, startedAt: 0 };

/** A store that accepts every command, and counts writes. */
class CountingStore {
  readonly isSingleRedis: boolean = false;
  redirects = 0;
  /** Whether the lease of a replaced session exists. */
  isLeased = true;
  readonly counters = new Map<string, number>();
  /** Called before each answer. */
  happens: (commands: readonly Command[]) => void = () => undefined;

  /** The answers to a verification: no entry differs. */
  verified: readonly unknown[] = [[encodeNode(self)], '1', [null], '1', 0, 0, 0, '1'];

  async read(): Promise<readonly unknown[]> {
    return this.verified;
  }

  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    this.happens(commands);
    return commands.map(([name, key]) => {
      if (name === 'hgetall') return {};
      if (name === 'del') return this.isLeased ? 1 : 0;
      if (name !== 'incr') return 'OK';
      const count = (this.counters.get(String(key)) ?? 0) + 1;
      this.counters.set(String(key), count);
      return count;
    });
  }
  tags(): readonly string[] {
    return ['0'];
  }
  tagOf(): string {
    return '0';
  }
}

const availabilityOf = (has: (key: string) => boolean) => ({
  has,
  hasChannel: () => true,
  areAllAvailable: true,
  mayLackSubscribers: () => false,
});
const UP = { isUp: true, isEntering: true, outage: undefined, settled: Promise.resolve() };

async function registered({
  events = {},
  ...parts
}: Partial<Omit<DirectoryWriterOptions, 'events'>> & { readonly events?: Partial<LinkEvents> } = {}) {
  const store = new CountingStore();
  const local = new LocalDouble();
  const over: Incarnation[] = [];
  const shared = {
    self,
    local,
    store: store as unknown as Store,
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
  let isLost = false;
  const availability = availabilityOf((key) => !isLost || !key.includes('{gone}'));
  const { store, local, writer } = await registered({
    availability,
    status: {
      ...UP,
      get isUp() {
        return !isLost;
      },
    },
    events: { writeFailed: () => undefined },
  });
  const written: unknown[] = [];
  store.happens = (commands) => {
    if (!isLost && commands.some(([, key]) => key === keys.counts('gone'))) {
      isLost = true;
      throw new Error('It is lost.');
    }
    written.push(...commands.map(([, key]) => key));
  };
  const { watched } = await writer.changed(local.join('c', 'live', 'gone'));
  expect(isLost).toBe(true);
  expect(written).toContain(keys.counts('live'));
  expect(written).not.toContain(keys.counts('gone'));
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
  const sent: string[] = [];
  store.happens = (commands) => sent.push(...commands.map(([name, key]) => `${name} ${String(key)}`));
  await change();
  expect(sent).toEqual([`del ${keys.whole('ann.1')}`]);
});

it('a node is marked as incomplete before a repair deletes a key, and as complete after it', async () => {
  const { store, writer } = await registered();
  const sent: string[] = [];
  store.happens = (commands) => sent.push(...commands.map(([name, key]) => `${name} ${String(key)}`));
  const lost = new Error('WRONGTYPE');
  store.verified = [lost, '1', [null], '1', 0, lost, 0, '1'];
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
  let beats = 0;
  store.happens = (commands) => {
    if (commands.some(([name, key]) => name === 'pexpire' && key === keys.writes(registration.session.incarnation, '0'))) beats++;
  };
  await Promise.all([writer.renewLease(), writer.renewLease(), writer.renewLease()]);
  expect(beats).toBe(1);
  await writer.renewLease();
  expect(beats).toBe(2);
});

describe('another session begins', () => {
  it('another session begins if Redis redirects a command of a flush', async () => {
    const { store, registration, over, change } = await registered();
    await change();
    expect([registration.session.incarnation, over]).toEqual(['ann.1', []]);
    store.happens = (commands) => {
      if (!commands.some(([name]) => name === 'zrem')) return;
      store.redirects++;
      store.happens = () => undefined;
    };
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
    const counter = keys.writes('ann.1', '0');
    store.counters.set(counter, store.counters.get(counter)! - 1); // a replica without the last write became the master
    await (by === 'heartbeat' ? writer.renewLease() : change());
    expect([registration.session.incarnation, over]).toEqual(['ann.2', ['ann.1']]);
  });

  it('a registration is repeated under another incarnation if Redis redirects one of its commands', async () => {
    const { store, writer, registration } = await registered();
    let isFirst = true;
    store.happens = (commands) => {
      if (!isFirst || !commands.some(([name]) => name === 'hset')) return;
      isFirst = false;
      store.redirects++;
    };
    await writer.register(Promise.resolve());
    expect(registration.session.incarnation).toBe('ann.3');
  });
});

it.each([true, false])(
  'a node whose writes are missing begins another session, and reports whether its lease had ended: %s',
  async (hadEnded) => {
    const restarts: SessionRestart[] = [];
    const { store, writer, registration } = await registered({ events: { sessionRestarted: (restart) => void restarts.push(restart) } });
    store.isLeased = !hadEnded;
    store.counters.clear();
    await writer.renewLease();
    expect(registration.session.n).toBe(2);
    expect(restarts).toEqual([{ hadEnded, silentMs: expect.any(Number) as number }]);
  },
);

it('a writer marks the other nodes as unconfirmed before another session begins, and not before the first one', async () => {
  const told: string[] = [];
  const session = (name: string) => () => void told.push(`${name} ${registration.session.n}`);
  const { store, writer, registration } = await registered({
    peers: { doubtAll: () => session('doubted')() },
    events: { sessionRestarted: () => session('restarted')() },
  });
  expect(told).toEqual([]);
  store.counters.clear();
  await writer.renewLease();
  expect(told).toEqual(['doubted 1', 'restarted 2']);
});

it.each([
  ['its watches', { 4: 1 }],
  ['its lease', { 1: 'unreadable' }],
])('a writer reports a repair after it has written %s again', async (_what, wrong) => {
  const entriesRepaired = vi.fn();
  const { store, writer } = await registered({ events: { entriesRepaired } });
  await writer.renewLease();
  expect(entriesRepaired).not.toHaveBeenCalled();
  store.verified = Object.assign([...store.verified], wrong);
  store.happens = () => expect(entriesRepaired).not.toHaveBeenCalled();
  await writer.renewLease();
  expect(entriesRepaired).toHaveBeenCalledOnce();
});
