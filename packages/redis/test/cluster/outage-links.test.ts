import { until } from '@hubline/testing';
import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import type { ClientRole } from '@hubline/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { untilHeartbeats } from './fixtures/heartbeats.ts';
import { pause } from './fixtures/pause.ts';
import { ProxiedNodes, type ProxiedNode } from './fixtures/proxied-node.ts';

const LONG_WAIT = { timeoutMs: 10_000 };
const CUT_MS = 1000;

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** Starts three nodes that know each other and subscribe to one channel. */
async function startThree(nodes: ProxiedNodes): Promise<readonly [ProxiedNode, ProxiedNode, ProxiedNode]> {
  const [ann, bob, cat] = await nodes.start(['ann', 'bob', 'cat']);
  if (!ann || !bob || !cat) throw new Error('Three nodes.');
  await Promise.all([ann, bob, cat].map((node) => node.subscribe('hall:all').ready));
  await until(() => [ann, bob, cat].every((node) => node.values('joined').length === 2), LONG_WAIT);
  return [ann, bob, cat];
}

const texts = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `text ${from + i}`);

/** Publishes the texts. Resolves when Redis has acknowledged all of them. */
async function publishAll(node: ProxiedNode, all: readonly string[]): Promise<void> {
  await Promise.all(all.map((text) => node.publish('hall:all', text)));
}

/** Expects that these nodes reported no outage, gap, loss or error. */
function expectNoReports(...nodes: readonly ProxiedNode[]): void {
  for (const node of nodes)
    for (const name of ['down', 'up', 'gap', 'lost', 'report'] as const) expect(node.values(name), name).toEqual([]);
}

describe('a subscriber connection that is cut for a second', () => {
  it('messages that a node missed while its subscriber connection was cut are repaired, and the other nodes report nothing', async () => {
    await using nodes = new ProxiedNodes(redis);
    const [ann, bob, cat] = await startThree(nodes);
    await Promise.all([bob, cat].map((node) => node.subscribe('hall:group:g').ready));
    await publishAll(ann, texts(2));
    await ann.publish('hall:group:g', 'to the group');
    await until(() => bob.values('received').length === 3, LONG_WAIT);
    bob.proxies.subscriber.cut();
    await until(() => bob.link.state === 'down', LONG_WAIT);
    await publishAll(ann, texts(10, 2));
    await Promise.all(texts(7).map((text) => ann.publish('hall:group:g', `${text} to the group`)));
    await pause(CUT_MS);
    await bob.heal();
    await until(() => bob.values('up').length === 1, LONG_WAIT);
    await ann.publish('hall:group:g', 'the end');
    await until(() => bob.values('received').length === 21, LONG_WAIT);
    const toGroup = ['to the group', ...texts(7).map((text) => `${text} to the group`), 'the end'];
    expect(bob.values('received').filter((text) => !toGroup.includes(String(text)))).toEqual(texts(12));
    expect(bob.values('received').filter((text) => toGroup.includes(String(text)))).toEqual(toGroup);
    expect(bob.values('gap')).toEqual([]);
    expect(bob.values('down')).toHaveLength(1);
    expect(bob.values('report')).toEqual([]);
    await until(() => cat.values('received').length === 21, LONG_WAIT);
    expectNoReports(ann, cat);
  });
});

describe('a command connection that is cut', () => {
  it('a node whose command connection is cut receives all messages, and its own messages wait', async () => {
    await using nodes = new ProxiedNodes(redis);
    const [ann, bob, cat] = await startThree(nodes);
    await publishAll(ann, texts(1));
    await until(() => bob.values('received').length === 1, LONG_WAIT);
    bob.proxies.commands.cut();
    await until(() => bob.link.state === 'down', LONG_WAIT);
    await publishAll(ann, texts(10, 1));
    await until(() => bob.values('received').length === 11, LONG_WAIT); // at once: the subscriber connection works, and the sender is known
    const waiting = publishAll(bob, texts(5, 11));
    await untilHeartbeats(redis, 10); // five of ann and five of cat, each with the last number of the channel
    await bob.heal();
    await waiting;
    await until(() => bob.values('received').length === 11 && ann.values('received').length === 5, LONG_WAIT);
    expect(bob.values('received')).toEqual(texts(11));
    expect(ann.values('received')).toEqual(texts(5, 11));
    await until(() => cat.values('received').length === 16, LONG_WAIT);
    expect(bob.values('gap').filter((gap) => Object.hasOwn(gap as object, 'lost'))).toEqual([]);
    expectNoReports(ann, cat);
  });

  it('a message that arrived before its acknowledgement was lost is delivered once', async () => {
    await using nodes = new ProxiedNodes(redis);
    const [ann, bob, cat] = await startThree(nodes);
    await publishAll(ann, texts(1));
    ann.proxies.commands.delay(200); // each direction is delayed
    const published = publishAll(ann, texts(3, 1));
    await until(() => [bob, cat].every((node) => node.values('received').length === 4), { timeoutMs: 10_000, intervalMs: 1 });
    ann.proxies.commands.drop();
    await ann.heal();
    await published;
    await publishAll(ann, texts(1, 4));
    await until(() => [bob, cat].every((node) => node.values('received').includes('text 4')), LONG_WAIT);
    expect(ann.values('down')).toHaveLength(1);
    for (const node of [bob, cat]) expect(node.values('received')).toEqual(texts(5));
    expectNoReports(bob, cat);
  });
});

describe('a half-open link', () => {
  it.each<ClientRole>(['commands', 'subscriber'])('a half-open %s connection is down after redisTimeoutMs', async (role) => {
    await using nodes = new ProxiedNodes(redis);
    const [ann, bob, cat] = await startThree(nodes);
    const since = performance.now();
    bob.proxies[role].halfOpen();
    await until(() => bob.link.state === 'down', LONG_WAIT);
    // A heartbeat and redisTimeoutMs: 700 ms. TCP itself would take minutes.
    expect(performance.now() - since).toBeLessThan(5000);
    await publishAll(ann, texts(3));
    await bob.heal();
    await until(() => bob.link.state === 'up', LONG_WAIT);
    await publishAll(ann, texts(1, 3));
    await until(() => [bob, cat].every((node) => node.values('received').includes('text 3')), LONG_WAIT);
    expect(cat.values('received')).toEqual(texts(4));
    expect(bob.values('down')).toEqual(['backplane_unavailable']);
    expectNoReports(ann, cat);
  });
});

describe('a Redis that is paused for longer than redisTimeoutMs', () => {
  it('no message is lost, doubled or reordered when a paused Redis resumes', async () => {
    await using paused = await startRedis();
    await using nodes = new ProxiedNodes(paused);
    const all = await startThree(nodes);
    const published: Promise<void>[] = [];
    let count = 0;
    const timer = setInterval(() => {
      for (const node of all) published.push(node.publish('hall:all', `${node.self.nodeId} ${count}`));
      count++;
    }, 10);
    try {
      await until(() => all.every((node) => node.values('received').length > 20), LONG_WAIT);
      paused.pause();
      await until(() => all.every(({ link }) => link.state === 'down'), LONG_WAIT);
      await pause(CUT_MS);
      paused.resume();
      await until(() => all.every(({ link }) => link.state === 'up'), LONG_WAIT);
    } finally {
      clearInterval(timer);
    }
    await Promise.all(published);
    await until(() => all.every((node) => node.values('received').length >= 2 * count), LONG_WAIT);
    for (const node of all) {
      for (const other of all) {
        const { nodeId } = other.self;
        const received = node.values('received').filter((text) => String(text).startsWith(nodeId));
        expect(received).toEqual(node === other ? [] : Array.from({ length: count }, (_, n) => `${nodeId} ${n}`));
      }
      expect(node.values('down')).toHaveLength(1);
      expect(node.values('lost')).toEqual([]);
      expect(node.values('report')).toEqual([]);
    }
  });
});
