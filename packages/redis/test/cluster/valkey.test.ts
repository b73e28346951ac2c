import { until } from '@hubline/testing';
import { startRedis, startRedisCluster, type RedisServer } from '@hubline/testing/cluster';
import { describeBackplane } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { faults, ProxiedBackplane, SHORT_INTERVALS } from './fixtures/proxied-backplane.ts';
import { ClusterTraffic } from './fixtures/cluster-traffic.ts';

/** These tests are a part of `npm test`. `npm run valkey` runs all cluster tests on Valkey. */
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

it('the server of these tests is Valkey', async () => {
  expect(String(await server.call('INFO', 'server'))).toMatch(/^valkey_version:\d/m);
});

describeBackplane('valkey', {
  create: () => ProxiedBackplane.to({ servers: [server], redis, isCluster: false, options: SHORT_INTERVALS }),
  dispose: (backplane) => backplane[Symbol.asyncDispose](),
  faults,
});

it('no message is lost, doubled or reordered in an orderly failover of a Valkey cluster', { timeout: 60_000 }, async () => {
  await using traffic = await ClusterTraffic.startOn({}, await startRedisCluster({ program }));
  await until(() => traffic.topics.every((topic) => traffic.bob.received(topic).length > 0));
  await traffic.servers.failover(traffic.servers.nodes[0]!);
  await traffic.stop();
  await traffic.expectAllReceived();
  await traffic.expectAllRegistered();
});
