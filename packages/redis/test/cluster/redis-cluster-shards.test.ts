import { nodeChannel } from '../../../server/src/backplane/index.ts';
import { until } from '@hubline/testing';
import { startProxy, startRedisCluster, type RedisCluster, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { Talk } from './talk.ts';

const PATIENT = { timeoutMs: 30_000 };
/** A busy machine renews leases late. */
const LEASE_MS = 6000;

/** Masters do not refuse everything because one of them is away, and a replica takes over however long it heard nothing. */
const start = (): Promise<RedisCluster> =>
  startRedisCluster({ args: ['--cluster-require-full-coverage', 'no', '--cluster-replica-validity-factor', '0'] });

const masterOf = (servers: RedisCluster, name: string): Promise<RedisServer> => servers.masterOf(`hubline:{${name}}`);

/** A process that writes to that master, and has its own channel there. */
async function processOn(servers: RedisCluster, master: RedisServer): Promise<string> {
  for (let i = 0; ; i++) {
    const places = await Promise.all([`p${i}.1`, nodeChannel(`p${i}`)].map((name) => masterOf(servers, name)));
    if (places.every((place) => place === master)) return `p${i}`;
  }
}

interface Places {
  readonly notices: RedisServer;
  readonly away: RedisServer;
  /** Neither. */
  readonly there: RedisServer;
}

async function placesOf(servers: RedisCluster): Promise<Places> {
  const notices = await masterOf(servers, 'nodes');
  const [away, there] = servers.nodes.slice(0, 3).filter((node) => node !== notices) as [RedisServer, RedisServer];
  return { notices, away, there };
}

/** The topics of a talk by where they are. */
async function partedBy(talk: Talk, master: RedisServer) {
  const places = await Promise.all(talk.topics.map((topic) => masterOf(talk.servers, topic)));
  return { lost: talk.topics.filter((_, i) => places[i] === master), live: talk.topics.filter((_, i) => places[i] !== master) };
}

/** Nobody takes over before it is let go. */
async function kill(master: RedisServer, { servers, ann, bob }: Talk): Promise<() => void> {
  const replicas = await servers.replicasOf(master);
  for (const replica of replicas) replica.pause();
  await master.stop();
  await until(() => ann.link.state === 'down' && bob.link.state === 'down', PATIENT);
  return () => replicas.forEach((replica) => replica.resume());
}

/** Bob hears ann's next words on these topics. */
async function isTalkedOn({ bob }: Talk, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    const before = bob.heard(topic).length;
    await until(() => bob.heard(topic).length > before + 20, PATIENT);
  }
}

/** Nothing arrives on these topics but numbers below this one, of which repair may bring some on the channel of bob's node. */
function expectSilence({ bob }: Talk, topics: readonly string[], said: number): void {
  for (const topic of topics) expect(Number(bob.heard(topic).at(-1) ?? 0), topic).toBeLessThan(said);
}

async function isOver(talk: Talk): Promise<void> {
  await until(() => talk.ann.happened('up') && talk.bob.happened('up'), PATIENT);
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
}

describe('a master that is away', () => {
  it('is an outage of what it carries: the rest is said, heard, joined and asked for as ever', async () => {
    const servers = await start();
    const { away, there, notices } = await placesOf(servers);
    const ann = { process: await processOn(servers, there) };
    const bob = { process: await processOn(servers, notices) };
    await using talk = await Talk.between({ ann, bob }, servers);
    const { lost, live } = await partedBy(talk, away);
    const letGo = await kill(away, talk);
    const { said } = talk;
    await isTalkedOn(talk, live);
    expectSilence(talk, lost, said);

    await talk.ann.bus.publish(nodeChannel(bob.process), Buffer.from('a question'), { expectsReply: true });
    await Promise.all([...live, ...lost].map((topic) => talk.bob.join('late', topic)));
    for (const topic of live) {
      const value = new Map([[topic, new Map([[bob.process, 2]])]]);
      expect(await talk.ann.directory.counts([topic])).toEqual({ value, missing: [], hasUnknownNodes: false });
    }
    for (const topic of lost) {
      const value = new Map([[topic, new Map()]]);
      expect(await talk.ann.directory.counts([topic])).toEqual({ value, missing: ['bob'], hasUnknownNodes: true });
    }
    expect(await talk.ann.directory.nodes()).toMatchObject({ missing: [] });
    await Promise.all(live.map((topic) => talk.bob.leave('late', topic)));
    for (const topic of live) expect(await talk.ann.membersOf(topic)).not.toContain('late');
    expect([talk.ann.link.state, talk.bob.link.state]).toEqual(['down', 'down']);

    letGo();
    await until(() => talk.ann.happened('up') && talk.bob.happened('up'), PATIENT);
    for (const topic of lost) await until(async () => (await talk.ann.membersOf(topic)).includes('late'), PATIENT);
    await Promise.all(lost.map((topic) => talk.bob.leave('late', topic)));
    await isOver(talk);
  }, 90_000);

  it('and what a node writes with it: that node is missing, and not lost; what is said to it where it hears arrives', async () => {
    const servers = await start();
    const { away, there } = await placesOf(servers);
    const options = { nodeTimeoutMs: LEASE_MS };
    const ann = { process: await processOn(servers, there), options };
    const bob = { process: await processOn(servers, away), options };
    await using talk = await Talk.between({ ann, bob }, servers);
    const { live } = await partedBy(talk, away);
    const letGo = await kill(away, talk);
    await isTalkedOn(talk, live);
    expect(await talk.ann.directory.nodes()).toMatchObject({ value: { length: 2 }, missing: ['bob'] });
    expect(await talk.ann.directory.counts([live[0]!])).toMatchObject({ missing: ['bob'] });
    const asked = (process: string): Promise<void> =>
      talk.ann.bus.publish(nodeChannel(process), Buffer.from('a question'), { expectsReply: true });
    await expect(asked(bob.process)).rejects.toMatchObject({ code: 'backplane_unavailable' });
    // Whoever would not hear the answer does not ask.
    const answer = Buffer.from('an answer');
    await expect(talk.bob.bus.publish(nodeChannel(ann.process), answer, { expectsReply: true })).rejects.toMatchObject({
      code: 'backplane_unavailable',
    });
    await talk.bob.bus.publish(nodeChannel(ann.process), answer);
    // Longer than its lease, which it renews where the leases are.
    const since = performance.now();
    await until(() => performance.now() - since > LEASE_MS + 500, PATIENT);
    expect(await talk.ann.directory.nodes()).toMatchObject({ missing: ['bob'] });
    expect([talk.ann.link.state, talk.bob.link.state]).toEqual(['down', 'down']);
    letGo();
    await isOver(talk);
    expect(talk.ann.toldOf(talk.bob)).not.toContain('lost: lease');
  }, 90_000);

  it('and the list of nodes with it: what is said elsewhere arrives, and nobody claims to have asked everybody', async () => {
    const servers = await start();
    const { notices, away, there } = await placesOf(servers);
    const ann = { process: await processOn(servers, there) };
    const bob = { process: await processOn(servers, away) };
    await using talk = await Talk.between({ ann, bob }, servers);
    const { live } = await partedBy(talk, notices);
    const letGo = await kill(notices, talk);
    await isTalkedOn(talk, live);
    expect(await talk.ann.directory.counts([live[0]!])).toMatchObject({ missing: ['bob'] });
    letGo();
    await isOver(talk);
    expect(talk.ann.toldOf(talk.bob)).not.toContain('lost: lease');
  }, 90_000);
});

it('a master where nobody can listen is away, though it answers: the rest is said and heard as ever', async () => {
  const servers = await start();
  const { away, there, notices } = await placesOf(servers);
  const [ann, bob] = [{ process: await processOn(servers, there) }, { process: await processOn(servers, notices) }];
  await using talk = await Talk.between({ ann, bob }, servers);
  const { lost, live } = await partedBy(talk, away);
  const operator = new Redis(away.url);
  try {
    await operator.config('SET', 'maxclients', 1); // for those who come
    await operator.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(() => talk.ann.link.state === 'down' && talk.bob.link.state === 'down', PATIENT);
    const { said } = talk;
    await isTalkedOn(talk, live);
    expectSilence(talk, lost, said);
    expect(await talk.ann.directory.counts(live)).toMatchObject({ missing: [], hasUnknownNodes: false });
    expect(await talk.ann.directory.counts(lost)).toMatchObject({ missing: ['bob'], hasUnknownNodes: true });
    expect([talk.ann.link.state, talk.bob.link.state]).toEqual(['down', 'down']);
    await operator.config('SET', 'maxclients', 1000);
  } finally {
    operator.disconnect();
  }
  await until(() => talk.ann.happened('up') && talk.bob.happened('up'), PATIENT);
  await talk.end();
  await talk.expectAllRegistered();
  await talk.expectAllHeard();
  expect(talk.bob.happened('gap')).toBe(false);
}, 90_000);

it('what waited for a shard waits until the others hear there, though they never were away on the rest', async () => {
  const servers = await start();
  const { away, there, notices } = await placesOf(servers);
  const [ann, bob] = [{ process: await processOn(servers, there) }, { process: await processOn(servers, notices) }];
  const ways = new Map<RedisServer, TcpProxy>();
  for (const node of servers.nodes) ways.set(node, await startProxy(node.url));
  const natMap = Object.fromEntries([...ways].map(([{ port }, way]) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: way.port }]));
  try {
    await using talk = await Talk.between({ ann, bob: { ...bob, options: { natMap } } }, servers);
    const { lost, live } = await partedBy(talk, away);
    const [successor] = await servers.replicasOf(away);
    ways.get(successor!)!.cut();
    await away.stop();
    await until(() => talk.ann.happened('down'), PATIENT);
    const { said } = talk;
    await until(() => talk.ann.happened('up'), PATIENT);
    await isTalkedOn(talk, live);
    expectSilence(talk, lost, said);
    expect([talk.ann.link.state, talk.bob.link.state]).toEqual(['up', 'down']);
    await ways.get(successor!)!.heal();
    await isOver(talk);
  } finally {
    await Promise.all([...ways.values()].map((way) => way[Symbol.asyncDispose]()));
  }
}, 90_000);
