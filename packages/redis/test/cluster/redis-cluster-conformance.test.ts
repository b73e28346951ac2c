import { startRedisCluster, type RedisCluster } from '@hubline/testing/cluster';
import { describeBackplane } from '@hubline/testing/conformance';
import { Cluster } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { faults, ProxiedBackplane, SHORT_INTERVALS } from './fixtures/proxied-backplane.ts';

/** Three masters and three replicas, of which one has taken over from its master, which was killed. On Garnet three masters. */
let servers: RedisCluster;
let redis: Cluster;
beforeAll(async () => {
  servers = await startRedisCluster();
  if (servers.nodes.length > 3) await servers.nodes[0]!.stop();
  await servers.ready();
  redis = new Cluster(servers.nodes.map(({ port }) => ({ host: '127.0.0.1', port })));
  redis.on('error', () => undefined);
}, 60_000);
afterAll(async () => {
  redis.disconnect();
  await servers[Symbol.asyncDispose]();
});

describeBackplane('redis cluster', {
  create: () => ProxiedBackplane.to({ servers: servers.nodes, redis, isCluster: true, options: SHORT_INTERVALS }),
  dispose: (backplane) => backplane[Symbol.asyncDispose](),
  faults,
  timeoutMs: 10_000, // a busy machine needs more than the default to connect to six servers again after an outage
});
