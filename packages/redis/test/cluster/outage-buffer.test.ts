import { until } from '@hubline/testing';
import { startRedis } from '@hubline/testing/cluster';
import type { RedisBackplaneOptions } from '@hubline/redis';
import { describe, expect, it } from 'vitest';
import { WiredNodes, type WiredNode } from './wired-node.ts';

const PATIENT = { timeoutMs: 20_000 };
/** What is kept, is kept for this much longer than a lease, at least. */
const MORE_MS = 5000;

/** Nodes that know each other and hear one channel, on a Redis of their own. */
async function worldOf<const Names extends readonly string[]>(nodeIds: Names, options: RedisBackplaneOptions = {}) {
  const redis = await startRedis();
  const nodes = new WiredNodes(redis);
  const all = await nodes.start(nodeIds, options);
  await Promise.all(all.map((node) => node.hear('hall:all').ready));
  await until(() => all.every((node) => node.all('joined').length === nodeIds.length - 1), PATIENT);
  return {
    redis,
    nodes: all as { readonly [K in keyof Names]: WiredNode },
    async [Symbol.asyncDispose]() {
      await nodes[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

const isDown = (...nodes: readonly WiredNode[]): Promise<unknown> => until(() => nodes.every(({ link }) => link.state === 'down'), PATIENT);
const isUp = (...nodes: readonly WiredNode[]): Promise<unknown> => until(() => nodes.every(({ link }) => link.state === 'up'), PATIENT);

async function isOver(ms: number): Promise<void> {
  const since = performance.now();
  await until(() => performance.now() - since > ms, PATIENT);
}

/** How it ended and when; undefined before that. */
function watched(sent: Promise<void>): { readonly ending: () => string | undefined; readonly atMs: () => number } {
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

// Most of the time they wait, so they wait together.
describe.concurrent('what waits for Redis', () => {
  it('is no more than bufferBytes: what is more is refused at once, and the rest comes in its order', async () => {
    await using world = await worldOf(['ann', 'bob'], { onUnavailable: { bufferBytes: 5 * (200 + 256) } });
    const [ann, bob] = world.nodes;
    await world.redis.stop();
    await isDown(ann, bob);
    const texts = Array.from({ length: 5 }, (_, i) => `${i} `.padEnd(200, 'x'));
    const kept = texts.map((text) => ann.publish('hall:all', text));
    await expect(ann.publish('hall:all', 'y')).rejects.toMatchObject({
      code: 'backplane_unavailable',
      message: 'The backplane is down, and 2280 bytes wait for it already.',
    });
    await world.redis.start();
    await Promise.all(kept);
    await ann.publish('hall:all', 'z'); // there is room again
    await until(() => bob.all('heard').length === 6, PATIENT);
    expect(bob.all('heard')).toEqual([...texts, 'z']);
  });

  it('is lost after bufferMs, and its sender is told', async () => {
    const nodeTimeoutMs = 500;
    await using world = await worldOf(['ann', 'bob'], { nodeTimeoutMs, onUnavailable: { bufferMs: nodeTimeoutMs + MORE_MS } });
    const [ann, bob] = world.nodes;
    await world.redis.stop();
    await isDown(ann, bob);
    const since = performance.now();
    const early = watched(ann.publish('hall:all', 'early'));
    await isOver(1500);
    const late = watched(ann.publish('hall:all', 'late'));
    await until(() => early.ending(), PATIENT);
    expect(early.ending()).toBe(`backplane_unavailable: The backplane was down for longer than ${nodeTimeoutMs + MORE_MS} ms.`);
    expect(early.atMs() - since).toBeGreaterThan(MORE_MS);
    expect(late.ending()).toBeUndefined();
    await world.redis.start();
    await until(() => late.ending(), PATIENT);
    await until(() => bob.all('heard').length > 0, PATIENT);
    expect(late.ending()).toBe('confirmed');
    expect(bob.all('heard')).toEqual(['late']);
  });

  it('leaves when everybody who was there before is back', async () => {
    await using world = await worldOf(['ann', 'bob', 'cat']);
    const [ann, bob, cat] = world.nodes;
    await world.redis.stop();
    await isDown(ann, bob, cat);
    const held = watched(ann.publish('hall:all', 'held'));
    bob.cut();
    await world.redis.start();
    await isUp(ann, cat);
    const later = watched(ann.publish('hall:all', 'later')); // queues behind it
    await isOver(600); // three beats
    expect(ann.all('lost')).toEqual([]);
    expect([held.ending(), later.ending(), cat.all('heard')]).toEqual([undefined, undefined, []]);
    expect((await ann.link.directory.nodes()).missing).toEqual(['bob']);
    await bob.heal();
    await until(() => [bob, cat].every((node) => node.all('heard').length === 2), PATIENT);
    for (const node of [bob, cat]) expect(node.all('heard')).toEqual(['held', 'later']);
    expect([held.ending(), later.ending()]).toEqual(['confirmed', 'confirmed']);
    expect((await ann.link.directory.nodes()).missing).toEqual([]);
    expect(ann.all('report')).toEqual([]);
  });

  it('is not taken for lost by those who are told how far its sender is, where it was on its way before', async () => {
    await using world = await worldOf(['ann', 'bob', 'cat']);
    const [ann, bob, cat] = world.nodes;
    await ann.publish('hall:all', 'before');
    ann.ways.commands.halfOpen();
    const held = ['one', 'two', 'three'].map((text) => watched(ann.publish('hall:all', text)));
    await isDown(ann); // they have their numbers, and got nowhere
    await world.redis.stop();
    await isDown(bob, cat);
    cat.cut();
    await ann.heal();
    await world.redis.start();
    await isUp(ann, bob);
    await isOver(1000); // five beats
    expect(held.map(({ ending }) => ending())).toEqual([undefined, undefined, undefined]);
    await cat.heal();
    await until(() => held.every(({ ending }) => ending() === 'confirmed'), PATIENT);
    await ann.publish('hall:all', 'after');
    await until(() => [bob, cat].every((node) => node.all('heard').includes('after')), PATIENT);
    for (const node of [bob, cat]) expect(node.all('heard')).toEqual(['before', 'one', 'two', 'three', 'after']);
  });

  it('leaves when the lease of somebody who does not come back is over, counted from where it was', async () => {
    const nodeTimeoutMs = 2000;
    await using world = await worldOf(['ann', 'bob', 'cat'], { nodeTimeoutMs });
    const [ann, bob, cat] = world.nodes;
    await world.redis.stop();
    await isDown(ann, bob, cat);
    cat.cut();
    const held = watched(ann.publish('hall:all', 'held'));
    await isOver(nodeTimeoutMs + 500); // nobody could renew a lease meanwhile
    expect(ann.all('lost')).toEqual([]);
    await world.redis.start();
    await isUp(ann, bob);
    const upAt = performance.now();
    await until(() => held.ending(), PATIENT);
    expect(held.ending()).toBe('confirmed');
    expect(held.atMs() - upAt).toBeGreaterThan(nodeTimeoutMs / 2);
    await until(() => bob.all('heard').length === 1, PATIENT);
    expect(bob.all('heard')).toEqual(['held']);
    expect([ann.all('lost'), ann.all('report')]).toEqual([['cat'], []]);
  });

  it('leaves when it has waited for bufferMs, which is said, also where somebody is not back', async () => {
    const nodeTimeoutMs = 4000;
    await using world = await worldOf(['ann', 'bob', 'cat'], { nodeTimeoutMs });
    const [ann, bob, cat] = world.nodes;
    await world.redis.stop();
    await isDown(ann, bob, cat);
    cat.cut();
    const held = watched(ann.publish('hall:all', 'held'));
    const since = performance.now();
    await isOver(MORE_MS + nodeTimeoutMs / 2);
    await world.redis.start();
    await until(() => held.ending(), PATIENT);
    expect(held.ending()).toBe('confirmed');
    expect(held.atMs() - since).toBeGreaterThan(nodeTimeoutMs + MORE_MS);
    await until(() => bob.all('heard').length === 1, PATIENT);
    expect(bob.all('heard')).toEqual(['held']);
    expect([ann.all('lost'), ann.all('report')]).toEqual([['cat'], ['publish: backplane_unavailable']]);
  });

  it('waits for those again who are lost again before this node is back', async () => {
    await using world = await worldOf(['ann', 'bob']);
    const [ann, bob] = world.nodes;
    await world.redis.stop();
    await isDown(ann, bob);
    const held = watched(ann.publish('hall:all', 'held'));
    bob.cut();
    ann.ways.commands.delay(100);
    await world.redis.start();
    // It listens, and hears bob's hello, long before it is registered itself.
    await until(async () => ((await world.redis.call('PUBSUB', 'CHANNELS', '*{hall:all}')) as unknown[]).length === 1, PATIENT);
    await bob.heal();
    await isUp(bob);
    // Its hello is on ann's line before Redis is stopped.
    expect(ann.link.state).toBe('down');
    await world.redis.stop();
    await isDown(bob);
    bob.cut();
    await ann.heal();
    await world.redis.start();
    await isUp(ann);
    await isOver(600);
    expect([ann.all('lost'), held.ending()]).toEqual([[], undefined]);
    await bob.heal();
    await until(() => bob.all('heard').length === 1, PATIENT);
    expect(held.ending()).toBe('confirmed');
  });
});
