import { startProxy, startRedis, faults } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { isAlive } from './processes.ts';

it('startRedis starts an empty Redis without persistence', async () => {
  await using redis = await startRedis();
  expect(redis.url).toBe(`redis://127.0.0.1:${redis.port}`);
  expect(await redis.call('PING')).toBe('PONG');
  expect(await redis.call('CONFIG', 'GET', 'save')).toEqual(['save', '']);
  expect(redis.log).toContain('Ready to accept connections');
});

it('a Redis shows its keys and its memory', async () => {
  await using redis = await startRedis();
  expect(await redis.keys()).toEqual([]);
  const before = await redis.memory();
  await redis.call('MSET', 'b:2', 'x'.repeat(100_000), 'a:1', 'x', 'a:2', 'x');
  expect(await redis.keys()).toEqual(['a:1', 'a:2', 'b:2']);
  expect(await redis.keys('a:*')).toEqual(['a:1', 'a:2']);
  expect(await redis.memory()).toBeGreaterThan(before + 100_000);
  expect(await redis.info('connected_clients')).toBeGreaterThan(0);
  await expect(redis.info('nonsense')).rejects.toThrow('INFO has no number nonsense.');
});

it('a stopped Redis starts again empty on its port', async () => {
  await using redis = await startRedis();
  const { pid, url } = redis;
  await redis.call('SET', 'key', 'value');
  await redis.stop();
  expect(isAlive(pid)).toBe(false);
  expect(redis.isRunning).toBe(false);
  await expect(redis.call('PING')).rejects.toThrow();
  await redis.start();
  expect(redis.url).toBe(url);
  expect(await redis.keys()).toEqual([]);
  await expect(redis.start()).rejects.toThrow('redis runs already.');
});

it('a paused Redis accepts connections, and answers when it is resumed', async () => {
  await using redis = await startRedis();
  redis.pause();
  expect(redis).toMatchObject({ isRunning: true, isPaused: true });
  let answered = false;
  const answer = redis.call('PING').then(() => (answered = true));
  await using proxy = await startProxy(redis.url);
  await using link = linkTo(proxy.url);
  link.client.connect().catch(() => undefined);
  await expect.poll(() => proxy.bytesUp).toBeGreaterThan(0);
  expect(proxy.bytesDown).toBe(0);
  expect(answered).toBe(false);
  redis.resume();
  await answer;
  await expect.poll(() => proxy.bytesDown).toBeGreaterThan(0);
});

it('flush deletes all keys', async () => {
  await using redis = await startRedis();
  await redis.call('SET', 'key', 'value');
  await redis.flush();
  expect(await redis.keys()).toEqual([]);
});

it('a monitor shows the commands of other clients with their connection, without those of the kit', async () => {
  await using redis = await startRedis();
  using monitor = await redis.monitor();
  await using link = linkTo(redis.url);
  await link.client.set('key', 'a "b" c', 'PX', 1000);
  await link.client.publish('channel', Buffer.from([1, 255]));
  await redis.call('GET', 'key');
  await redis.keys();
  await expect.poll(() => monitor.commands.some(({ name }) => name === 'PUBLISH')).toBe(true);
  const [set, publish] = monitor.commands.slice(-2);
  expect(set).toMatchObject({ name: 'SET', args: ['key', 'a "b" c', 'PX', '1000'] });
  expect(publish).toMatchObject({ name: 'PUBLISH', args: ['channel', '\\x01\\xff'], from: set?.from });
  expect(Math.abs((set?.atMs ?? 0) - Date.now())).toBeLessThan(60_000);
});

it('a Redis has a password or one user', async () => {
  await using closed = await startRedis({ password: 'p@ss' });
  expect(closed.url).toBe(`redis://:p%40ss@127.0.0.1:${closed.port}`);
  expect(await closed.call('PING')).toBe('PONG');
  await using named = await startRedis({ user: { name: 'ann', password: 'secret' }, name: 'named' });
  expect(named.url).toBe(`redis://ann:secret@127.0.0.1:${named.port}`);
  expect(await named.call('ACL', 'WHOAMI')).toBe('ann');
  await using anonymous = linkTo(`redis://127.0.0.1:${named.port}`);
  await expect(anonymous.client.connect().then(() => anonymous.client.ping())).rejects.toThrow();
});

it('a Redis with TLS accepts clients that trust its certificate', async () => {
  await using redis = await startRedis({ tls: true, password: 'secret' });
  expect(redis.url).toBe(`rediss://:secret@127.0.0.1:${redis.port}`);
  expect(await redis.call('PING')).toBe('PONG');
  await using proxy = await startProxy(redis.url);
  await using trusting = linkTo(proxy.url, { tls: { ca: redis.ca ?? '' } });
  expect(await trusting.client.ping()).toBe('PONG');
  await using doubting = linkTo(redis.url);
  let reason: unknown;
  doubting.client.on('error', (error: NodeJS.ErrnoException) => (reason = error.code));
  await expect(doubting.client.ping()).rejects.toThrow();
  expect(reason).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
});

it('startRedis passes arguments, and rejects with the output if Redis does not start', async () => {
  await using small = await startRedis({ args: ['--maxmemory', '10mb'] });
  expect(await small.call('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', String(10 * 1024 ** 2)]);
  await expect(startRedis({ args: ['--nonsense', '1'] })).rejects.toThrow(/redis ended with code 1:.*Bad directive/s);
  await expect(startRedis({ program: '/none' })).rejects.toThrow(/redis did not start:.*ENOENT/s);
});

it('faults of a Redis are inflicted and healed', async () => {
  await using redis = await startRedis();
  for (const fault of [faults.stopRedis(redis), faults.pauseRedis(redis), faults.flushRedis(redis)]) {
    await redis.call('SET', 'key', 'value');
    await fault.heal();
    await fault.inflict();
    expect([redis.isRunning, redis.isPaused]).toEqual([!fault.name.startsWith('stop'), fault.name.startsWith('pause')]);
    await fault.heal();
    expect(await redis.keys()).toEqual(fault.name.startsWith('pause') ? ['key'] : []);
  }
});

/** Opens a client that tries to connect once. */
function linkTo(url: string, options: { readonly tls?: { readonly ca: string } } = {}): AsyncDisposable & { readonly client: Redis } {
  const client = new Redis(url, { ...options, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}
