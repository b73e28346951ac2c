import { until } from '@hubline/testing';
import { startRedis, startRedisCluster, type RedisServer } from '@hubline/testing/cluster';
import { describeBus, describeLink, describeServers } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Keys } from '../../src/keys.ts';
import { Session } from '../../src/session.ts';
import { LEASE } from '../../src/values.ts';
import { ClusterTraffic } from '../cluster/fixtures/cluster-traffic.ts';
import { faults, ProxiedBackplane, SHORT_INTERVALS } from '../cluster/fixtures/proxied-backplane.ts';

/** These tests are a part of `npm test`. `npm run garnet` runs all tests of the Redis backplane on Garnet. */
const program = process.env.HUBLINE_GARNET_SERVER ?? 'garnet-server';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ program, name: 'garnet' });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});

it('the server of these tests is Garnet', async () => {
  expect(String(await server.call('INFO', 'server'))).toMatch(/^garnet_version:\d/m);
});

const fixture = {
  create: () => ProxiedBackplane.to({ servers: [server], redis, isCluster: false, options: SHORT_INTERVALS }),
  dispose: (backplane: ProxiedBackplane) => backplane[Symbol.asyncDispose](),
  faults,
};
describeLink('garnet', fixture);
describeBus('garnet', fixture);
describeServers('garnet', fixture);

it('a node notices that its lease on Garnet has expired, by the answer to the renewal', async () => {
  const keys = new Keys('expired');
  const session = new Session({ process: 'ann', n: 1, keys, nodeTimeoutMs: 5000 });
  const lease = keys.lease(session.incarnation);
  await redis.set(lease, LEASE.alive, 'PX', 50);
  await until(async () => (await redis.pttl(lease)) === -2);
  const commands = session.lossCheck(['0']);
  const replies = await redis.pipeline(commands.map((command) => [...command])).exec();
  expect(replies).toEqual([
    [null, 1],
    [null, null],
  ]);
  expect(session.isIntact(commands, replies?.map(([, answer]) => answer) ?? [])).toBe(false);
});

it('messages that waited for a restarted master of a Garnet cluster arrive once and in order, and all members are registered', async () => {
  await using traffic = await ClusterTraffic.startOn({}, await startRedisCluster({ program }));
  const [master] = traffic.servers.nodes;
  await master!.stop();
  await until(() => traffic.ann.happened('down') && traffic.bob.happened('down'), { timeoutMs: 40_000 });
  await master!.start(); // without keys; it has kept its slots
  await until(() => traffic.ann.happened('up') && traffic.bob.happened('up'), { timeoutMs: 40_000 });
  await traffic.stop();
  await traffic.expectAllReceived();
  await traffic.expectAllRegistered();
}, 120_000);
