import { until } from '@hubline/testing';
import { startRedis } from '@hubline/testing/cluster';
import type { RedisBackplaneOptions } from '@hubline/redis';
import { describe, expect, it } from 'vitest';
import { untilHeartbeats } from './fixtures/heartbeats.ts';
import { pause } from './fixtures/pause.ts';
import { ProxiedNodes, type ProxiedNode } from './fixtures/proxied-node.ts';

const LONG_WAIT = { timeoutMs: 20_000 };
/** A buffered message waits at least this much longer than a lease. */
const MORE_MS = 5000;

/** Starts nodes that know each other and subscribe to one channel, on a Redis of their own. */
async function clusterOf<const Names extends readonly string[]>(nodeIds: Names, options: RedisBackplaneOptions = {}) {
  const redis = await startRedis();
  const nodes = new ProxiedNodes(redis);
  const all = await nodes.start(nodeIds, options);
  await Promise.all(all.map((node) => node.subscribe('hall:all').ready));
  await until(() => all.every((node) => node.values('joined').length === nodeIds.length - 1), LONG_WAIT);
  return {
    redis,
    nodes: all as { readonly [K in keyof Names]: ProxiedNode },
    async [Symbol.asyncDispose]() {
      await nodes[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

const isDown = (...nodes: readonly ProxiedNode[]): Promise<unknown> =>
  until(() => nodes.every(({ link }) => link.state === 'down'), LONG_WAIT);
const isUp = (...nodes: readonly ProxiedNode[]): Promise<unknown> => until(() => nodes.every(({ link }) => link.state === 'up'), LONG_WAIT);

/** Tracks whether a publish was confirmed or rejected, and when; `ending()` is undefined before that. */
function track(sent: Promise<void>): { readonly ending: () => string | undefined; readonly atMs: () => number } {
  let ending: string | undefined;
  let atMs = Number.NaN;
  const end = (what: string): void => {
    ending = what;
    atMs = performance.now();
  };
  sent.then(
    () => end('confirmed'),
    (error: { readonly code: string; readonly message: string }) => end(`${error.code}: ${error.message}`),
  );
  return { ending: () => ending, atMs: () => atMs };
}

// The tests mostly wait, so they run concurrently.
describe.concurrent('messages that wait for Redis', () => {
  it('messages beyond bufferBytes are rejected at once, and the buffered ones arrive in order', async () => {
    await using cluster = await clusterOf(['ann', 'bob'], { onUnavailable: { bufferBytes: 5 * (200 + 256) } });
    const [ann, bob] = cluster.nodes;
    await cluster.redis.stop();
    await isDown(ann, bob);
    const texts = Array.from({ length: 5 }, (_, i) => `${i} `.padEnd(200, 'x'));
    const kept = texts.map((text) => ann.publish('hall:all', text));
    await expect(ann.publish('hall:all', 'y')).rejects.toMatchObject({
      code: 'backplane_unavailable',
      message: 'The backplane is down, and 2280 bytes wait for it already.',
    });
    await cluster.redis.start();
    await Promise.all(kept);
    await ann.publish('hall:all', 'z'); // the buffer has room again
    await until(() => bob.values('received').length === 6, LONG_WAIT);
    expect(bob.values('received')).toEqual([...texts, 'z']);
  });

  it('a message that has waited for bufferMs is dropped, and its publish rejects', async () => {
    const nodeTimeoutMs = 500;
    await using cluster = await clusterOf(['ann', 'bob'], { nodeTimeoutMs, onUnavailable: { bufferMs: nodeTimeoutMs + MORE_MS } });
    const [ann, bob] = cluster.nodes;
    await cluster.redis.stop();
    await isDown(ann, bob);
    const since = performance.now();
    const early = track(ann.publish('hall:all', 'early'));
    await pause(1500); // `late` waits for a shorter time than `early`
    const late = track(ann.publish('hall:all', 'late'));
    await until(() => early.ending(), LONG_WAIT);
    expect(early.ending()).toBe(`backplane_unavailable: The backplane was down for longer than ${nodeTimeoutMs + MORE_MS} ms.`);
    expect(early.atMs() - since).toBeGreaterThan(MORE_MS);
    expect(late.ending()).toBeUndefined();
    await cluster.redis.start();
    await until(() => late.ending(), LONG_WAIT);
    await until(() => bob.values('received').length > 0, LONG_WAIT);
    expect(late.ending()).toBe('confirmed');
    expect(bob.values('received')).toEqual(['late']);
  });

  it('buffered messages are sent when all nodes from before the outage are registered again', async () => {
    await using cluster = await clusterOf(['ann', 'bob', 'cat']);
    const [ann, bob, cat] = cluster.nodes;
    await cluster.redis.stop();
    await isDown(ann, bob, cat);
    const held = track(ann.publish('hall:all', 'held'));
    bob.cut();
    await cluster.redis.start();
    await isUp(ann, cat);
    const later = track(ann.publish('hall:all', 'later')); // waits behind `held`
    await untilHeartbeats(cluster.redis, 6); // three of ann and three of cat
    expect(ann.values('lost')).toEqual([]);
    expect([held.ending(), later.ending(), cat.values('received')]).toEqual([undefined, undefined, []]);
    expect((await ann.link.directory.nodes()).missing).toEqual(['bob']);
    await bob.heal();
    await until(() => [bob, cat].every((node) => node.values('received').length === 2), LONG_WAIT);
    for (const node of [bob, cat]) expect(node.values('received')).toEqual(['held', 'later']);
    await until(() => held.ending() && later.ending(), LONG_WAIT);
    expect([held.ending(), later.ending()]).toEqual(['confirmed', 'confirmed']);
    expect((await ann.link.directory.nodes()).missing).toEqual([]);
    expect(ann.values('report')).toEqual([]);
  });

  it('messages that were in flight when the link went down arrive once at every node, without a gap', async () => {
    await using cluster = await clusterOf(['ann', 'bob', 'cat']);
    const [ann, bob, cat] = cluster.nodes;
    await ann.publish('hall:all', 'before');
    ann.proxies.commands.halfOpen();
    const held = ['one', 'two', 'three'].map((text) => track(ann.publish('hall:all', text)));
    await isDown(ann); // they are numbered, and Redis has not received them
    await cluster.redis.stop();
    await isDown(bob, cat);
    cat.cut();
    await ann.heal();
    await cluster.redis.start();
    await isUp(ann, bob);
    await untilHeartbeats(cluster.redis, 10); // five of ann and five of bob
    expect(held.map(({ ending }) => ending())).toEqual([undefined, undefined, undefined]);
    await cat.heal();
    await until(() => held.every(({ ending }) => ending() === 'confirmed'), LONG_WAIT);
    await ann.publish('hall:all', 'after');
    await until(() => [bob, cat].every((node) => node.values('received').includes('after')), LONG_WAIT);
    for (const node of [bob, cat]) expect(node.values('received')).toEqual(['before', 'one', 'two', 'three', 'after']);
  });

  it('buffered messages are sent when the lease of a node that does not return has ended, counted from the end of the outage', async () => {
    const nodeTimeoutMs = 2000;
    await using cluster = await clusterOf(['ann', 'bob', 'cat'], { nodeTimeoutMs });
    const [ann, bob, cat] = cluster.nodes;
    await cluster.redis.stop();
    await isDown(ann, bob, cat);
    cat.cut();
    const held = track(ann.publish('hall:all', 'held'));
    await pause(nodeTimeoutMs + 500); // an outage longer than a lease, which no node can renew meanwhile
    expect(ann.values('lost')).toEqual([]);
    await cluster.redis.start();
    await isUp(ann, bob);
    const upAt = performance.now();
    await until(() => held.ending(), LONG_WAIT);
    expect(held.ending()).toBe('confirmed');
    expect(held.atMs() - upAt).toBeGreaterThan(nodeTimeoutMs / 2);
    await until(() => bob.values('received').length === 1, LONG_WAIT);
    expect(bob.values('received')).toEqual(['held']);
    expect([ann.values('lost'), ann.values('report')]).toEqual([['cat'], []]);
  });

  it('buffered messages are sent after bufferMs although a node has not returned, and this is reported', async () => {
    const nodeTimeoutMs = 4000;
    await using cluster = await clusterOf(['ann', 'bob', 'cat'], { nodeTimeoutMs });
    const [ann, bob, cat] = cluster.nodes;
    await cluster.redis.stop();
    await isDown(ann, bob, cat);
    cat.cut();
    const held = track(ann.publish('hall:all', 'held'));
    const since = performance.now();
    await pause(MORE_MS + nodeTimeoutMs / 2); // an outage shorter than bufferMs
    await cluster.redis.start();
    await until(() => held.ending(), LONG_WAIT);
    expect(held.ending()).toBe('confirmed');
    expect(held.atMs() - since).toBeGreaterThan(nodeTimeoutMs + MORE_MS);
    await until(() => bob.values('received').length === 1, LONG_WAIT);
    expect(bob.values('received')).toEqual(['held']);
    expect([ann.values('lost'), ann.values('report')]).toEqual([['cat'], ['publish: backplane_unavailable']]);
  });

  it('buffered messages wait again for a node whose link goes down again before this node is up', async () => {
    await using cluster = await clusterOf(['ann', 'bob']);
    const [ann, bob] = cluster.nodes;
    await cluster.redis.stop();
    await isDown(ann, bob);
    const held = track(ann.publish('hall:all', 'held'));
    bob.cut();
    ann.proxies.commands.delay(100);
    await cluster.redis.start();
    // Ann is subscribed, and receives the hello of bob, long before she is registered.
    await until(async () => ((await cluster.redis.call('PUBSUB', 'CHANNELS', '*{hall:all}')) as unknown[]).length === 1, LONG_WAIT);
    await bob.heal();
    await isUp(bob);
    // The hello of bob is on its way to ann before Redis is stopped.
    expect(ann.link.state).toBe('down');
    await cluster.redis.stop();
    await isDown(bob);
    bob.cut();
    await ann.heal();
    await cluster.redis.start();
    await isUp(ann);
    await untilHeartbeats(cluster.redis, 3); // of ann
    expect([ann.values('lost'), held.ending()]).toEqual([[], undefined]);
    await bob.heal();
    await until(() => bob.values('received').length === 1 && held.ending(), LONG_WAIT); // the message may be faster than its acknowledgement
    expect(held.ending()).toBe('confirmed');
  });
});
