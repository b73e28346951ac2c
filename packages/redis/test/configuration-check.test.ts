import { startRedis } from '@hubline/testing/cluster';
import { LocalDouble } from '@hubline/testing/conformance';
import { expect, it, vi } from 'vitest';
import { redisBackplane, type RedisBackplaneOptions } from '../src/index.ts';

function open(app: string, options: RedisBackplaneOptions) {
  const observer = { down: vi.fn(), up: vi.fn(), gap: vi.fn(), stale: vi.fn(), joined: vi.fn(), lost: vi.fn(), report: vi.fn() };
  const self = { nodeId: app, process: crypto.randomUUID(), app, accepts: true, startedAt: 0 };
  const link = redisBackplane({ heartbeatIntervalMs: 50, ...options }).open(self, new LocalDouble(), observer);
  const warnings = () => observer.report.mock.calls.map(([stage, error]) => `${String(stage)}: ${(error as Error).message}`);
  return { link, observer, warnings, [Symbol.asyncDispose]: () => link.close() };
}

it('a Redis that evicts keys is reported once', async () => {
  await using redis = await startRedis({ args: ['--maxmemory-policy', 'volatile-lru'] });
  await using ann = open('ann', { port: redis.port });
  await vi.waitFor(() => expect(ann.warnings()).toEqual([expect.stringContaining('setup: Redis has the maxmemory-policy volatile-lru')]));
});

it('a Redis that forbids INFO memory is not reported', async () => {
  await using redis = await startRedis({ args: ['--maxmemory-policy', 'volatile-lru'] });
  await redis.call('ACL', 'SETUSER', 'default', 'on', 'nopass', '~*', '&*', '+@all', '-info');
  await using ann = open('ann', { port: redis.port });
  await ann.link.ready();
  await using bob = open('ann', { port: redis.port });
  await vi.waitFor(() => expect([ann, bob].map(({ observer }) => observer.joined.mock.calls.length)).toEqual([1, 1]));
  expect([...ann.warnings(), ...bob.warnings()]).toEqual([]);
});

it('two applications that share the default prefix are each warned once, with both names', async () => {
  await using redis = await startRedis();
  await using shop = open('shop', { port: redis.port });
  await using news = open('news', { port: redis.port });
  await using more = open('news', { port: redis.port });
  await vi.waitFor(() => expect([shop, news, more].map(({ warnings }) => warnings().length)).toEqual([1, 1, 1]));
  expect(shop.warnings()[0]).toContain('The applications shop and news share the default prefix');
  expect(news.warnings()[0]).toContain('The applications news and shop share the default prefix');
});

it('two applications that share a chosen prefix are not warned', async () => {
  await using redis = await startRedis();
  await using shop = open('shop', { port: redis.port, prefix: 'both' });
  await using news = open('news', { port: redis.port, prefix: 'both' });
  await vi.waitFor(() => expect([shop, news].map(({ observer }) => observer.joined.mock.calls.length)).toEqual([1, 1]));
  expect([...shop.warnings(), ...news.warnings()]).toEqual([]);
});
