import { startRedis } from '@hubline/testing/cluster';
import { describeBackplane } from '@hubline/testing/conformance';
import { afterAll, beforeAll } from 'vitest';
import { faults, ProxiedBackplane } from './redis-fixture.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

describeBackplane('redis', {
  // What is frozen here is the way to Redis, and nobody may notice: time limits are long, beats are short.
  create: () =>
    ProxiedBackplane.to(redis, { heartbeatIntervalMs: 100, nodeTimeoutMs: 4000, redisTimeoutMs: 3000, onUnavailable: 'reject' }),
  dispose: (backplane) => backplane[Symbol.asyncDispose](),
  faults,
});
