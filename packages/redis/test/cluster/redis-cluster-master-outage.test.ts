import { nodeChannel } from '../../../server/src/backplane/index.ts';
import { until } from '@hubline/testing';
import { startProxy, startRedisCluster, type RedisCluster, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { ClusterTraffic } from './fixtures/cluster-traffic.ts';
import { pause } from './fixtures/pause.ts';

const LONG_WAIT = { timeoutMs: 30_000 };
/** Long, because a busy machine renews leases late. */
const LEASE_MS = 6000;

/** The other masters go on when one is down, and a replica is promoted however long its link to the master was down. */
const startServers = (): Promise<RedisCluster> =>
  startRedisCluster({ args: ['--cluster-require-full-coverage', 'no', '--cluster-replica-validity-factor', '0'] });

const masterOf = (servers: RedisCluster, name: string): Promise<RedisServer> => servers.masterOf(`hubline:{${name}}`);

/** A process id whose write counter and node channel are on that master. */
async function processOn(servers: RedisCluster, master: RedisServer): Promise<string> {
  for (let i = 0; ; i++) {
    const found = await Promise.all([`p${i}.1`, nodeChannel(`p${i}`)].map((name) => masterOf(servers, name)));
    if (found.every((each) => each === master)) return `p${i}`;
  }
}

interface Masters {
  /** The master with the list of nodes and its channel. */
  readonly list: RedisServer;
  /** The two others, of which the test makes the first one unavailable. */
  readonly faulty: RedisServer;
  readonly healthy: RedisServer;
}

async function mastersOf(servers: RedisCluster): Promise<Masters> {
  const list = await masterOf(servers, 'nodes');
  const [faulty, healthy] = servers.nodes.slice(0, 3).filter((node) => node !== list) as [RedisServer, RedisServer];
  return { list, faulty, healthy };
}

/** The topics on the master and the topics on the others. */
async function topicsOn(traffic: ClusterTraffic, master: RedisServer) {
  const masters = await Promise.all(traffic.topics.map((topic) => masterOf(traffic.servers, topic)));
  return { lost: traffic.topics.filter((_, i) => masters[i] === master), live: traffic.topics.filter((_, i) => masters[i] !== master) };
}

/** Kills a master. Returns a function that lets its replica be promoted, which cannot happen before. */
async function kill(master: RedisServer, { servers, ann, bob }: ClusterTraffic): Promise<() => void> {
  const replicas = await servers.replicasOf(master);
  for (const replica of replicas) replica.pause();
  await master.stop();
  await until(() => ann.link.state === 'down' && bob.link.state === 'down', LONG_WAIT);
  return () => replicas.forEach((replica) => replica.resume());
}

/** Expects that bob receives the next messages of ann on these topics. */
async function expectTraffic({ bob }: ClusterTraffic, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    const before = bob.received(topic).length;
    await until(() => bob.received(topic).length > before + 20, LONG_WAIT);
  }
}

/** Expects that bob receives no number of these topics from this one on. Repair may deliver smaller ones on his node channel. */
function expectSilence({ bob }: ClusterTraffic, topics: readonly string[], sentCount: number): void {
  for (const topic of topics) expect(Number(bob.received(topic).at(-1) ?? 0), topic).toBeLessThan(sentCount);
}

async function expectRecovered(traffic: ClusterTraffic): Promise<void> {
  await until(() => traffic.ann.happened('up') && traffic.bob.happened('up'), LONG_WAIT);
  await traffic.stop();
  await traffic.expectAllReceived();
  await traffic.expectAllRegistered();
}

describe('a killed master of a Redis Cluster', () => {
  it('a killed master makes only its own topics unavailable: messages, joins and queries of the others go on', async () => {
    const servers = await startServers();
    const { faulty, healthy, list } = await mastersOf(servers);
    const ann = { process: await processOn(servers, healthy) };
    const bob = { process: await processOn(servers, list) };
    await using traffic = await ClusterTraffic.startOn({ ann, bob }, servers);
    const { lost, live } = await topicsOn(traffic, faulty);
    const promoteReplicas = await kill(faulty, traffic);
    const { sentCount } = traffic;
    await expectTraffic(traffic, live);
    expectSilence(traffic, lost, sentCount);

    await traffic.ann.bus.publish(nodeChannel(bob.process), Buffer.from('a request'), { expectsReply: true });
    await Promise.all([...live, ...lost].map((topic) => traffic.bob.join('late', topic)));
    for (const topic of live) {
      const value = new Map([[topic, new Map([[bob.process, 2]])]]);
      expect(await traffic.ann.directory.counts([topic])).toEqual({ value, missing: [], hasUnknownNodes: false });
    }
    for (const topic of lost) {
      const value = new Map([[topic, new Map()]]);
      expect(await traffic.ann.directory.counts([topic])).toEqual({ value, missing: ['bob'], hasUnknownNodes: true });
    }
    expect(await traffic.ann.directory.nodes()).toMatchObject({ missing: [] });
    await Promise.all(live.map((topic) => traffic.bob.leave('late', topic)));
    for (const topic of live) expect(await traffic.ann.membersOf(topic)).not.toContain('late');
    expect([traffic.ann.link.state, traffic.bob.link.state]).toEqual(['down', 'down']);

    promoteReplicas();
    await until(() => traffic.ann.happened('up') && traffic.bob.happened('up'), LONG_WAIT);
    for (const topic of lost) await until(async () => (await traffic.ann.membersOf(topic)).includes('late'), LONG_WAIT);
    await Promise.all(lost.map((topic) => traffic.bob.leave('late', topic)));
    await expectRecovered(traffic);
  }, 90_000);

  it('a node that writes to a killed master is missing from answers, is not reported as lost, and receives messages on other masters', async () => {
    const servers = await startServers();
    const { faulty, healthy } = await mastersOf(servers);
    const options = { nodeTimeoutMs: LEASE_MS };
    const ann = { process: await processOn(servers, healthy), options };
    const bob = { process: await processOn(servers, faulty), options };
    await using traffic = await ClusterTraffic.startOn({ ann, bob }, servers);
    const { live } = await topicsOn(traffic, faulty);
    const promoteReplicas = await kill(faulty, traffic);
    await expectTraffic(traffic, live);
    expect(await traffic.ann.directory.nodes()).toMatchObject({ value: { length: 2 }, missing: ['bob'] });
    expect(await traffic.ann.directory.counts([live[0]!])).toMatchObject({ missing: ['bob'] });
    const request = (process: string): Promise<void> =>
      traffic.ann.bus.publish(nodeChannel(process), Buffer.from('a request'), { expectsReply: true });
    await expect(request(bob.process)).rejects.toMatchObject({ code: 'backplane_unavailable' });
    // A node that could not receive the reply does not send the request.
    const reply = Buffer.from('a reply');
    await expect(traffic.bob.bus.publish(nodeChannel(ann.process), reply, { expectsReply: true })).rejects.toMatchObject({
      code: 'backplane_unavailable',
    });
    await traffic.bob.bus.publish(nodeChannel(ann.process), reply);
    await pause(LEASE_MS + 500); // longer than the lease of bob, which he renews on another master
    expect(await traffic.ann.directory.nodes()).toMatchObject({ missing: ['bob'] });
    expect([traffic.ann.link.state, traffic.bob.link.state]).toEqual(['down', 'down']);
    promoteReplicas();
    await expectRecovered(traffic);
    expect(traffic.ann.eventsAbout(traffic.bob)).not.toContain('lost: lease');
  }, 90_000);

  it('messages of other topics arrive, and answers are incomplete, while the master with the list of nodes is down', async () => {
    const servers = await startServers();
    const { list, faulty, healthy } = await mastersOf(servers);
    const ann = { process: await processOn(servers, healthy) };
    const bob = { process: await processOn(servers, faulty) };
    await using traffic = await ClusterTraffic.startOn({ ann, bob }, servers);
    const { live } = await topicsOn(traffic, list);
    const promoteReplicas = await kill(list, traffic);
    await expectTraffic(traffic, live);
    expect(await traffic.ann.directory.counts([live[0]!])).toMatchObject({ missing: ['bob'] });
    promoteReplicas();
    await expectRecovered(traffic);
    expect(traffic.ann.eventsAbout(traffic.bob)).not.toContain('lost: lease');
  }, 90_000);
});

it('a master that accepts no subscribers is unavailable although it answers commands, and the other topics go on', async () => {
  const servers = await startServers();
  const { faulty, healthy, list } = await mastersOf(servers);
  const [ann, bob] = [{ process: await processOn(servers, healthy) }, { process: await processOn(servers, list) }];
  await using traffic = await ClusterTraffic.startOn({ ann, bob }, servers);
  const { lost, live } = await topicsOn(traffic, faulty);
  const operator = new Redis(faulty.url);
  try {
    await operator.config('SET', 'maxclients', 1); // for new connections
    await operator.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(() => traffic.ann.link.state === 'down' && traffic.bob.link.state === 'down', LONG_WAIT);
    const { sentCount } = traffic;
    await expectTraffic(traffic, live);
    expectSilence(traffic, lost, sentCount);
    expect(await traffic.ann.directory.counts(live)).toMatchObject({ missing: [], hasUnknownNodes: false });
    expect(await traffic.ann.directory.counts(lost)).toMatchObject({ missing: ['bob'], hasUnknownNodes: true });
    expect([traffic.ann.link.state, traffic.bob.link.state]).toEqual(['down', 'down']);
    await operator.config('SET', 'maxclients', 1000);
  } finally {
    operator.disconnect();
  }
  await until(() => traffic.ann.happened('up') && traffic.bob.happened('up'), LONG_WAIT);
  await traffic.stop();
  await traffic.expectAllRegistered();
  await traffic.expectAllReceived();
  expect(traffic.bob.happened('gap')).toBe(false);
}, 90_000);

it('messages that waited for a master are sent when the other nodes are subscribed there again', async () => {
  const servers = await startServers();
  const { faulty, healthy, list } = await mastersOf(servers);
  const [ann, bob] = [{ process: await processOn(servers, healthy) }, { process: await processOn(servers, list) }];
  const proxies = new Map<RedisServer, TcpProxy>();
  for (const node of servers.nodes) proxies.set(node, await startProxy(node.url));
  const natMap = Object.fromEntries(
    [...proxies].map(([{ port }, proxy]) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxy.port }]),
  );
  try {
    await using traffic = await ClusterTraffic.startOn({ ann, bob: { ...bob, options: { natMap } } }, servers);
    const { lost, live } = await topicsOn(traffic, faulty);
    const [successor] = await servers.replicasOf(faulty);
    proxies.get(successor!)!.cut();
    await faulty.stop();
    await until(() => traffic.ann.happened('down'), LONG_WAIT);
    const { sentCount } = traffic;
    await until(() => traffic.ann.happened('up'), LONG_WAIT);
    await expectTraffic(traffic, live);
    expectSilence(traffic, lost, sentCount);
    expect([traffic.ann.link.state, traffic.bob.link.state]).toEqual(['up', 'down']);
    await proxies.get(successor!)!.heal();
    await expectRecovered(traffic);
  } finally {
    await Promise.all([...proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}, 90_000);
