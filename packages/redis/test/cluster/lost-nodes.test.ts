import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { RawClient } from './fixtures/raw-client.ts';
import { expectStoredKeys, liveProcesses } from './fixtures/expected-keys.ts';
import { LONG_WAIT, RedisTestCluster } from './fixtures/redis-test-cluster.ts';

const LEASE_MS = 2000;
const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: LEASE_MS, sweepDelayMs: 1500 };
const room = { group: 'a room: {1}' };

/** Connects two clients to each node, the users `u1` … and `everywhere`, all in one group. */
async function connectClients(cluster: RedisTestCluster): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (const [i] of cluster.nodes.entries()) {
    clients.push(await cluster.connect(i + 1, { user: `u${i + 1}`, attributes: { role: i === 1 ? 'odd' : 'even' } }));
    clients.push(await cluster.connect(i + 1, { user: 'everywhere' }));
  }
  for (const client of clients) await cluster.join(client, room.group, 3);
  return clients;
}

const on = (clients: readonly RawClient[], number: number): RawClient[] => clients.slice(2 * number - 2, 2 * number);
const toldTo = (clients: readonly RawClient[]): string[][] => clients.map(({ received }) => received);

async function leaseOf(cluster: RedisTestCluster, { process }: RawClient): Promise<string> {
  const [lease] = await cluster.redis.keys(`${cluster.prefix}:{nodes}:lease:${process}.*`);
  if (lease === undefined) throw new Error(`${process} has no lease.`);
  return lease;
}

describe('a node that is killed', () => {
  it('a killed node is counted until its lease ends, and the second sweep deletes all its keys', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, backplane, onTestFailed });
    const clients = await connectClients(cluster);
    await expectStoredKeys(cluster, liveProcesses(clients));
    const lease = await leaseOf(cluster, clients[2]!);
    await cluster.node(2).kill();
    const seen = async (number: number) => ({
      all: (await cluster.count(number)).value,
      room: (await cluster.count(number, room)).value,
      odd: (await cluster.count(number, { where: { role: 'odd' } })).value,
      online: await Promise.all(['u1', 'u2', 'u3', 'everywhere'].map((user) => cluster.isOnline(number, user))),
    });
    const before = await seen(1);
    if (await cluster.redis.call('EXISTS', lease)) expect(before).toEqual({ all: 6, room: 6, odd: 1, online: [true, true, true, true] });
    await until(async () => !(await cluster.redis.call('EXISTS', lease)), LONG_WAIT);
    const after = { all: 4, room: 4, odd: 0, online: [true, false, true, true] };
    expect(await Promise.all([seen(1), seen(3)])).toEqual([after, after]);

    await until(async () =>
      (await cluster.events(1)).some(({ event, nodeId, reason }) => event === 'nodeLost' && nodeId === 'node-2' && reason === 'lease'),
    );
    const live = clients.filter((client) => !on(clients, 2).includes(client));
    await cluster.send(3, room, 'to the remaining clients');
    await until(() => live.every(({ received }) => received.length === 1), LONG_WAIT);
    await expectStoredKeys(cluster, liveProcesses(live));

    // A restarted process has the same nodeId and no entries of the killed one.
    await cluster.node(2).restart();
    const successor = await cluster.connect(2, { user: 'u2' });
    await cluster.untilCounted(5);
    await expectStoredKeys(cluster, liveProcesses([...live, successor]));
  }, 60_000);

  it('a killed node is swept also if the node that began the sweep is killed', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, backplane, onTestFailed });
    const clients = await connectClients(cluster);
    await Promise.all([cluster.node(2).kill(), cluster.node(3).kill()]);
    await cluster.untilCounted(2, [1]);
    // The claims of a sweeper that was killed during its sweep.
    for (const number of [2, 3]) {
      const [, incarnation] = /\{(.*)\}/.exec(
        (await cluster.redis.keys(`${cluster.prefix}:{${on(clients, number)[0]!.process}*:records`))[0]!,
      )!;
      await cluster.redis.call('SET', `${cluster.prefix}:{${incarnation}}:sweep:2`, '1', 'PX', 2 * LEASE_MS);
    }
    await expectStoredKeys(cluster, liveProcesses(on(clients, 1)));
  }, 60_000);
});

describe('a node that is frozen', () => {
  it('a node that is frozen for less than its lease loses and doubles no message, and no node reports an event', async ({
    onTestFailed,
  }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, backplane: { ...backplane, nodeTimeoutMs: 10_000 }, onTestFailed });
    const clients = await connectClients(cluster);
    const texts = Array.from({ length: 50 }, (_, i) => `m${i}`);
    for (const [i, text] of texts.entries()) {
      if (i === 10) cluster.node(2).freeze();
      await cluster.send(1, room, text);
    }
    expect((await cluster.count(3)).value).toBe(6);
    await until(() => on(clients, 1).every(({ received }) => received.length === 50), LONG_WAIT);
    expect(on(clients, 2).every(({ received }) => received.length <= 10)).toBe(true);
    cluster.node(2).thaw();
    await until(() => clients.every(({ received }) => received.length === 50), LONG_WAIT);
    expect(toldTo(clients)).toEqual(clients.map(() => texts));
    for (const number of [1, 2, 3]) {
      expect((await cluster.events(number)).filter(({ event }) => event !== 'nodeJoined')).toEqual([]);
    }
    await expectStoredKeys(cluster, liveProcesses(clients));
  }, 60_000);

  it('a node that is frozen for longer than its lease is gone when the lease ends, registers everything again when it runs, and reports a gap', async ({
    onTestFailed,
  }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, backplane, onTestFailed });
    const clients = await connectClients(cluster);
    const lease = await leaseOf(cluster, clients[2]!);
    cluster.node(2).freeze();
    await until(async () => !(await cluster.redis.call('EXISTS', lease)), LONG_WAIT);
    expect(await Promise.all([cluster.count(1), cluster.count(3, room)])).toEqual([
      { value: 4, complete: true, missingNodes: [] },
      { value: 4, complete: true, missingNodes: [] },
    ]);
    expect(await cluster.isOnline(1, 'u2')).toBe(false);
    await cluster.send(1, room, 'during');
    // The entries of its old incarnation are swept while the node is frozen.
    await expectStoredKeys(cluster, liveProcesses([...on(clients, 1), ...on(clients, 3)]));

    cluster.node(2).thaw();
    await cluster.untilCounted(6);
    expect(await cluster.isOnline(3, 'u2')).toBe(true);
    await until(async () => (await cluster.events(2)).some(({ event, gap }) => event === 'gap' && gap!.ms >= LEASE_MS - 500), LONG_WAIT);
    for (const number of [1, 3]) {
      const received = (await cluster.events(number)).filter(({ nodeId }) => nodeId === 'node-2').map(({ event }) => event);
      expect(received.slice(-2)).toEqual(['nodeLost', 'nodeJoined']);
      expect(received.filter((event) => event === 'nodeLost')).toHaveLength(1);
    }
    for (const number of [1, 2, 3]) await cluster.send(number, room, `after, by ${number}`);
    await until(() => clients.every(({ received }) => received.filter((text) => text.startsWith('after')).length >= 3), LONG_WAIT);
    for (const client of clients) {
      expect(client.received.filter((text) => text !== 'during').sort()).toEqual(['after, by 1', 'after, by 2', 'after, by 3']);
      expect(client.received.filter((text) => text === 'during').length).toBe(
        on(clients, 2).includes(client) ? client.received.length - 3 : 1,
      );
      expect(client.received.length).toBeLessThanOrEqual(4);
    }
    await cluster.leave(clients[2]!, room.group, 1);
    await cluster.send(3, room, 'not to u2');
    await until(() => clients[5]!.received.includes('not to u2') && clients[3]!.received.includes('not to u2'), LONG_WAIT);
    expect(clients[2]!.received).not.toContain('not to u2');
    await expectStoredKeys(cluster, liveProcesses(clients));
    expect((await cluster.redis.keys(`${cluster.prefix}:{nodes}:lease:${clients[2]!.process}.2`)).length).toBe(1);
  }, 60_000);

  it('a node that is frozen repeatedly registers everything again each time', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, backplane: { ...backplane, nodeTimeoutMs: 1200 }, onTestFailed });
    const clients = await connectClients(cluster);
    for (let round = 1; round <= 3; round++) {
      cluster.node(2).freeze();
      await cluster.untilCounted(4, [1, 3]);
      cluster.node(2).thaw();
      await cluster.untilCounted(6);
      await cluster.send(2, room, `round ${round}`);
      await until(() => clients.every(({ received }) => received.length === round), LONG_WAIT);
      expect((await cluster.events(2)).filter(({ gap }) => gap && gap.ms >= 1000)).toHaveLength(round);
    }
    await expectStoredKeys(cluster, liveProcesses(clients));
  }, 60_000);
});

describe('processes with one nodeId', () => {
  it('processes with one nodeId keep their entries when another one stops, is killed, or is restarted before its lease ends', async ({
    onTestFailed,
  }) => {
    await using cluster = await RedisTestCluster.start({
      nodes: 4,
      backplane,
      nodeId: (index) => (index < 3 ? 'twin' : 'other'),
      onTestFailed,
    });
    const clients = await connectClients(cluster);
    await cluster.untilCounted(8);
    expect((await cluster.node(4).ask<{ items: { nodeId: string }[] }>('nodes')).items.map(({ nodeId }) => nodeId).sort()).toEqual([
      'other',
      'twin',
      'twin',
      'twin',
    ]);

    await cluster.node(1).stop();
    await cluster.untilCounted(6, [2, 3, 4]);
    await cluster.node(2).kill();
    await cluster.node(2).start(); // while the lease of the killed process is still alive
    const successor = await cluster.connect(2, { user: 'u2' });
    await cluster.untilCounted(5, [2, 3, 4]);
    const left = [...on(clients, 3), ...on(clients, 4), successor];
    await cluster.join(successor, room.group, 4);
    await cluster.send(2, room, 'to all of them');
    await until(() => left.every(({ received }) => received.length === 1), LONG_WAIT);
    await expectStoredKeys(cluster, liveProcesses(left));

    cluster.node(3).freeze();
    await cluster.untilCounted(3, [2, 4]);
    expect(await cluster.isOnline(4, 'u2')).toBe(true);
    expect(await cluster.isOnline(4, 'u3')).toBe(false);
    cluster.node(3).thaw();
    await cluster.untilCounted(5, [2, 3, 4]);
    await expectStoredKeys(cluster, liveProcesses(left));
    const { items: outcomes } = await cluster
      .node(4)
      .ask<{ items: { nodeId: string; value: unknown }[] }>('invokeAll', [room, 'Result', []]);
    expect(outcomes.map(({ nodeId, value }) => `${nodeId} ${String(value)}`).sort()).toEqual([
      'other 1',
      'other 1',
      'twin 1',
      'twin 1',
      'twin 1',
    ]);
  }, 60_000);
});
