import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { describeBackplane } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { faults, ProxiedBackplane, SHORT_INTERVALS } from './fixtures/proxied-backplane.ts';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});

describeBackplane('redis', {
  create: () => ProxiedBackplane.to({ servers: [server], redis, isCluster: false, options: SHORT_INTERVALS }),
  dispose: (backplane) => backplane[Symbol.asyncDispose](),
  faults,
});
