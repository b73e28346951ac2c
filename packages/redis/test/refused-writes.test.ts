import { startRedis } from '@hubline/testing/cluster';
import { LocalDouble } from '@hubline/testing/conformance';
import { expect, it, vi } from 'vitest';
import { redisBackplane } from '../src/index.ts';

function nodeOf(nodeId: string, port: number, nodeTimeoutMs = 1000) {
  const observer = { down: vi.fn(), up: vi.fn(), gap: vi.fn(), stale: vi.fn(), joined: vi.fn(), lost: vi.fn(), report: vi.fn() };
  const local = new LocalDouble();
  const backplane = redisBackplane({ port, heartbeatIntervalMs: 100, nodeTimeoutMs });
  const link = backplane.open({ nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 0 }, local, observer);
  const received: string[] = [];
  link.bus.subscribe('t', (payload) => void received.push(Buffer.from(payload).toString()));
  const join = (id: string, topic = 't') => link.directory.changed(local.join(id, topic));
  return { link, observer, received, join, [Symbol.asyncDispose]: () => link.close() };
}

it('a Redis without memory is one outage of writes: messages are still sent, and one incarnation is registered again', async () => {
  await using redis = await startRedis();
  await using ann = nodeOf('ann', redis.port);
  await using bob = nodeOf('bob', redis.port);
  await Promise.all([ann.link.ready(), bob.link.ready()]);
  await Promise.all([ann.join('a1'), bob.join('b1')]);
  await vi.waitFor(() => expect(ann.observer.joined).toHaveBeenCalled());
  await redis.call('CONFIG', 'SET', 'maxmemory', '1');
  await ann.join('a2');
  await vi.waitFor(() => expect([ann.link.outage, bob.link.outage]).toEqual(['refused', 'refused']));

  // For longer than a lease.
  let sent = 0;
  const until = performance.now() + 2500;
  await vi.waitFor(
    async () => {
      await ann.link.bus.publish('t', Buffer.from(String(++sent)));
      expect(performance.now()).toBeGreaterThan(until);
    },
    { timeout: 5000 },
  );
  await vi.waitFor(() => expect(bob.received).toHaveLength(sent));
  expect(await ann.link.directory.counts(['t'])).toMatchObject({ missing: expect.arrayContaining(['ann']) as string[] });
  const incarnations = (await redis.call('HKEYS', 'hubline:{nodes}')) as string[];
  expect(incarnations.length).toBeLessThanOrEqual(4);

  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  await vi.waitFor(() => expect([ann.link.state, bob.link.state]).toEqual(['up', 'up']), { timeout: 20_000 });
  await vi.waitFor(async () => expect((await bob.link.directory.members('t', { limit: 10 })).value).toHaveLength(3));
  for (const { observer, link } of [ann, bob]) {
    expect(observer.down).toHaveBeenCalledTimes(1);
    expect(observer.lost).not.toHaveBeenCalled();
    expect(observer.report).not.toHaveBeenCalled();
    expect(link.outage).toBeUndefined();
  }
}, 60_000);

it('a node whose writes are refused is named as missing by other nodes as soon as its join resolves', async () => {
  await using redis = await startRedis();
  const leaseMs = 10_000; // a lease that ends while renewals are refused makes a node lost, and not missing
  await using ann = nodeOf('ann', redis.port, leaseMs);
  await using bob = nodeOf('bob', redis.port, leaseMs);
  await Promise.all([ann.link.ready(), bob.link.ready()]);
  await vi.waitFor(() => expect(ann.observer.joined).toHaveBeenCalled());
  const count = async () => (await bob.link.directory.counts(['t'])).value.get('t')?.get('ann') ?? 0;
  for (let joined = 1; joined <= 5; joined++) {
    await redis.call('CONFIG', 'SET', 'maxmemory', '1');
    await ann.join(`a${joined}`);
    expect(await bob.link.directory.counts(['t'])).toMatchObject({ missing: ['ann'], hasUnknownNodes: false });
    expect(await count()).toBe(joined - 1);
    await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    await vi.waitFor(() => expect(ann.link.state).toBe('up'), { timeout: 20_000 });
    await vi.waitFor(async () => expect(await bob.link.directory.counts(['t'])).toMatchObject({ missing: [] }), { timeout: 20_000 });
    expect(await count()).toBe(joined);
  }
}, 60_000);

it('a registration that an ACL forbids is retried with growing delays under one incarnation', async () => {
  await using redis = await startRedis();
  await redis.call('ACL', 'SETUSER', 'default', '-hset');
  await using ann = nodeOf('ann', redis.port);
  await vi.waitFor(() => expect(ann.link.outage).toBe('refused'));
  const calls = async (): Promise<number> =>
    Number(/cmdstat_hset:.*?rejected_calls=(\d+)/.exec(String(await redis.call('INFO', 'commandstats')))?.[1] ?? 0);
  await vi.waitFor(async () => expect(await calls()).toBeGreaterThan(1), { timeout: 5000 });
  const before = await calls();
  const until = performance.now() + 3000;
  await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(until), { timeout: 5000 });
  expect((await calls()) - before).toBeLessThan(6);
  expect((await redis.keys()).filter((key) => key.includes('ann')).length).toBeLessThanOrEqual(2);
  await redis.call('ACL', 'SETUSER', 'default', '+hset');
  await vi.waitFor(() => expect(ann.link.state).toBe('up'), { timeout: 20_000 });
  expect(await redis.call('HKEYS', 'hubline:{nodes}')).toEqual(['ann.1']);
  expect(ann.observer.down).toHaveBeenCalledTimes(1);
}, 60_000);
