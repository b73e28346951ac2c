import { until } from '@hubline/testing';
import { startRedis, startRedisCluster, type RedisServer } from '@hubline/testing/cluster';
import { describeBackplane } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { faults, ProxiedBackplane, SHORT_BEATS } from './redis-fixture.ts';
import { Talk } from './talk.ts';

/** All tests of the cluster run on it with `npm run valkey`; these here are a part of `npm test`. */
const program = process.env.HUBLINE_VALKEY_SERVER ?? 'valkey-server';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ program, name: 'valkey' });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});

it('is Valkey', async () => {
  expect(String(await server.call('INFO', 'server'))).toMatch(/^valkey_version:\d/m);
});

describeBackplane('valkey', {
  create: () => ProxiedBackplane.to({ servers: [server], redis, isCluster: false, options: SHORT_BEATS }),
  dispose: (backplane) => backplane[Symbol.asyncDispose](),
  faults,
});

it('an orderly failover of a Valkey cluster loses, doubles and reorders nothing', { timeout: 60_000 }, async () => {
  await using talk = await Talk.between({}, await startRedisCluster({ program }));
  await until(() => talk.topics.every((topic) => talk.bob.heard(topic).length > 0));
  await talk.servers.failover(talk.servers.nodes[0]!);
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
});
