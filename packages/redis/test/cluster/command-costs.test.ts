import { groupTopic, type Link, type NodeInfo } from '@hubline/server/backplane';
import { redisBackplane } from '@hubline/redis';
import { until } from '@hubline/testing';
import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { LocalDouble } from '@hubline/testing/conformance';
import { expect, it } from 'vitest';

const LONG_WAIT = { timeoutMs: 60_000 };
const CONNECT = ['chat:all', 'chat:user:ann', 'chat:attribute:role=1', 'chat:attribute:team=1'];
/** `HUBLINE_NODES=100` runs more nodes, and prints the measured numbers. */
const NODES = Number(process.env.HUBLINE_NODES ?? 8);

async function nodeOn(redis: RedisServer, nodeId: string, heartbeatIntervalMs = 600_000) {
  const local = new LocalDouble();
  const node: NodeInfo = { nodeId, process: nodeId.padEnd(11, '-'), app: 'test', accepts: true, startedAt: 0 };
  const known = new Set<string>();
  const backplane = redisBackplane(redis.url, { heartbeatIntervalMs, nodeTimeoutMs: 4 * heartbeatIntervalMs });
  const link = backplane.open(node, local, {
    down: () => undefined,
    up: () => undefined,
    gap: () => undefined,
    stale: () => undefined,
    joined: ({ process }) => known.add(process),
    lost: () => undefined,
    report: (stage, error) => expect.unreachable(`${stage}: ${String(error)}`),
  });
  await link.ready();
  return { node, local, link, known };
}

/** The number of calls of each command so far, without those that `call` sends itself. */
async function callsOf(redis: RedisServer): Promise<ReadonlyMap<string, number>> {
  const stats = String(await redis.call('INFO', 'commandstats'));
  const calls = [...stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, name = '', count]) => [name, Number(count)] as const);
  return new Map(calls.filter(([name]) => name !== 'info' && name !== 'hello'));
}

async function sentBy(redis: RedisServer, operation: () => Promise<unknown>): Promise<number> {
  const before = await callsOf(redis);
  await operation();
  let sum = 0;
  for (const [name, count] of await callsOf(redis)) sum += count - (before.get(name) ?? 0);
  return sum;
}

it('each operation sends a fixed number of Redis commands, however many topics a connection is in', async () => {
  await using redis = await startRedis();
  const ann = await nodeOn(redis, 'ann');
  const bob = await nodeOn(redis, 'bob');
  await until(() => ann.known.size === 1 && bob.known.size === 1, LONG_WAIT);
  const { directory } = ann.link;
  const joins = (id: string, ...topics: string[]) => sentBy(redis, () => directory.changed(ann.local.join(id, ...topics)));
  const group = (n: number): string => groupTopic('chat', `group ${n}`);
  const costs: Record<string, number> = { connect: await joins('a1', ...CONNECT), join: await joins('a1', group(0)) };
  await joins('a1', ...Array.from({ length: 9999 }, (_, i) => group(i + 1)));
  const touched = Array.from({ length: 10_000 }, (_, i) => group(i));
  costs.joinOf10000 = await sentBy(redis, () => directory.changed({ ...ann.local.join('a1', group(10_000)), touched }));
  costs.leave = await sentBy(redis, () => directory.changed({ ...ann.local.leave('a1', group(10_000)), touched }));
  const watch = await bob.link.directory.watch(group(3));
  costs.firstJoinOfWatched = await joins('a2', group(3));
  costs.joinOfWatched = await joins('a3', group(3));
  costs.joinBesideWatches = await joins('a4', group(5));
  await watch.close();
  costs.disconnect = await sentBy(redis, () => directory.changed(ann.local.disconnect('a4')));
  costs.count = await sentBy(redis, () => directory.counts([group(3)]));
  costs.countOf500 = await sentBy(redis, () => directory.counts(Array.from({ length: 500 }, (_, i) => group(i))));
  costs.record = await sentBy(redis, () => bob.link.directory.records([{ process: ann.node.process, connectionId: 'a2' }]));
  const crowd = Array.from({ length: 100 }, (_, i) => `c${i}`);
  for (const id of crowd) ann.local.joinGroups(id, 'group 3', 'group 4', 'group 5');
  await directory.changed({ topics: [3, 4, 5].map(group), connections: crowd });
  costs.recordsOf100 = await sentBy(redis, () =>
    bob.link.directory.records(crowd.map((connectionId) => ({ process: ann.node.process, connectionId }))),
  );
  costs.recordInMany = await sentBy(redis, () => bob.link.directory.records([{ process: ann.node.process, connectionId: 'a1' }]));
  costs.countOfNobody = await sentBy(redis, () => directory.counts(['nobody', 'nothing']));
  costs.nodes = await sentBy(redis, () => directory.nodes());
  expect(costs).toEqual({
    connect: 14,
    join: 8,
    joinOf10000: 9,
    leave: 9,
    firstJoinOfWatched: 10,
    joinOfWatched: 9,
    joinBesideWatches: 8,
    disconnect: 8,
    count: 4,
    countOf500: 503,
    record: 5,
    recordsOf100: 5,
    recordInMany: 8,
    countOfNobody: 6,
    nodes: 3,
  });
  await Promise.all([ann.link.close(), bob.link.close()]);
}, 60_000);

it(`heartbeats of ${NODES} nodes send fewer than 18 commands each, so their number grows linearly with the nodes`, async () => {
  await using redis = await startRedis();
  const heartbeatIntervalMs = NODES > 20 ? 5000 : 250;
  const nodes = await Promise.all(Array.from({ length: NODES }, (_, i) => nodeOn(redis, `n${i}`, heartbeatIntervalMs)));
  await until(() => nodes.every(({ known }) => known.size === NODES - 1), LONG_WAIT);
  const links: readonly Link[] = nodes.map(({ link }) => link);
  const heartbeats = async (): Promise<number> => (await callsOf(redis)).get('ping') ?? 0;
  const settled = (await heartbeats()) + 4 * NODES;
  await until(async () => (await heartbeats()) >= settled, LONG_WAIT);
  const [before, since] = [await callsOf(redis), performance.now()];
  await until(async () => (await heartbeats()) >= settled + 4 * NODES, { ...LONG_WAIT, intervalMs: 100 });
  const seconds = (performance.now() - since) / 1000;
  const after = await callsOf(redis);
  const sum = (calls: ReadonlyMap<string, number>): number => [...calls.values()].reduce((all, each) => all + each, 0);
  const each = (sum(after) - sum(before)) / ((after.get('ping') ?? 0) - (before.get('ping') ?? 0));
  if (process.env.HUBLINE_NODES) {
    const perSecond = Math.round((sum(after) - sum(before)) / seconds);
    console.log(`${NODES} nodes, a heartbeat each ${heartbeatIntervalMs} ms: ${each.toFixed(1)} commands each, ${perSecond} a second.`);
  }
  expect(each).toBeLessThan(18);
  await Promise.all(links.map((link) => link.close()));
}, 180_000);
