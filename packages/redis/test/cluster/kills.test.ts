import { random } from '@hubline/testing';
import {
  startRedis,
  startRedisCluster,
  startSentinel,
  type RedisCluster,
  type RedisSentinel,
  type RedisServer,
} from '@hubline/testing/cluster';
import type { RedisBackplaneOptions } from '@hubline/redis';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { CountedTraffic, type MessageTally } from './fixtures/counted-traffic.ts';
import { pause } from './fixtures/pause.ts';

/** The number of repetitions of each fault. The table of docs/guarantees.md was measured with HUBLINE_KILLS=60, one fault at a time with `-t`. */
const TIMES = Number(process.env.HUBLINE_KILLS ?? 1);
const seed = Number(process.env.HUBLINE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const chance = random(seed);
const TIMEOUT_MS = 30_000 + TIMES * 12_000;

const POLICIES = ['waits', 'reject'] as const;

const pauseForOutage = (): Promise<void> => pause(300 + chance() * 1200);

interface Scenario {
  readonly backplane: RedisBackplaneOptions;
  /** Causes the fault once, and ends it. */
  readonly breakOnce: (traffics: readonly CountedTraffic[]) => Promise<void>;
  readonly perSecond?: number;
  readonly bytes?: number;
  readonly times?: number;
}

/** Runs both policies on one Redis, each with four nodes. */
async function run({ backplane, breakOnce, perSecond, bytes, times = TIMES }: Scenario): Promise<Readonly<Record<string, MessageTally>>> {
  const [first, second] = POLICIES.map((policy) => new CountedTraffic({ policy, backplane, ...(bytes ? { bytes } : {}) }));
  await using waiting = first!;
  await using rejecting = second!;
  const traffics = [waiting, rejecting];
  await Promise.all(traffics.map((each) => each.start(perSecond)));
  for (let i = 0; i < times; i++) {
    await pause(100 + chance() * 300);
    await breakOnce(traffics);
    await Promise.all(traffics.map((each) => each.untilRecovered()));
  }
  const [waits, reject] = await Promise.all(traffics.map((each) => each.end()));
  return { waits: waits!, reject: reject! };
}

function expectNothingLost(name: string, tallies: Readonly<Record<string, MessageTally>>): void {
  console.info(`${name}, seed ${seed}: ${JSON.stringify(tallies)}`);
  // An orderly failover and a paced burst need not cause an outage.
  if (!/^(?:orderly|output)/.test(name)) expect(tallies.waits!.downs + tallies.reject!.downs).toBeGreaterThan(0);
  for (const [policy, { lost, doubled, reordered, inGaps }] of Object.entries(tallies)) {
    expect({ policy, lost, doubled, reordered, inGaps }).toEqual({ policy, lost: 0, doubled: 0, reordered: 0, inGaps: 0 });
  }
}

const single = ({ port }: RedisServer): RedisBackplaneOptions => ({ host: '127.0.0.1', port });

/** Opens idle clients of other applications, each subscribed to twenty channels. */
function idleSubscribers(redis: RedisServer, count: number): Disposable {
  const clients = Array.from({ length: count }, (_, i) => {
    const client = new Redis(redis.url, { maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    void client.subscribe(...Array.from({ length: 20 }, (_each, j) => `foreign-${i}-${j}`)).catch(() => undefined);
    return client;
  });
  return { [Symbol.dispose]: () => clients.forEach((client) => client.disconnect()) };
}

describe.sequential('message loss', () => {
  it('no message is lost, doubled or reordered when Redis is killed and restarted empty', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      await redis.stop();
      await pauseForOutage();
      await redis.start();
    };
    expectNothingLost('SIGKILL', await run({ backplane: single(redis), breakOnce }));
  });

  it(
    'no message is lost, doubled or reordered when Redis is killed while thirty idle clients are subscribed',
    { timeout: TIMEOUT_MS },
    async () => {
      await using redis = await startRedis();
      using _others = idleSubscribers(redis, 30);
      const breakOnce = async (): Promise<void> => {
        await redis.stop();
        await pauseForOutage();
        await redis.start();
      };
      expectNothingLost('SIGKILL, idle subscribers', await run({ backplane: single(redis), breakOnce }));
    },
  );

  it.each(['pubsub', 'normal'])(
    'no message is lost, doubled or reordered when all %s connections are killed',
    { timeout: TIMEOUT_MS },
    async (type) => {
      await using redis = await startRedis();
      const breakOnce = async (): Promise<void> => void (await redis.call('CLIENT', 'KILL', 'TYPE', type));
      expectNothingLost(`CLIENT KILL TYPE ${type}`, await run({ backplane: single(redis), breakOnce }));
    },
  );

  it('no message is lost, doubled or reordered when one subscriber connection is killed', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      const list = String(await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
      const ids = [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id ?? '');
      await redis.call('CLIENT', 'KILL', 'ID', ids[Math.floor(chance() * ids.length)] ?? '');
    };
    expectNothingLost('one subscriber', await run({ backplane: single(redis), breakOnce }));
  });

  it('no message is lost, doubled or reordered when Redis is paused', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      redis.pause();
      await pause(1500 + chance() * 1500); // longer than redisTimeoutMs, so that the links are down
      redis.resume();
    };
    expectNothingLost('SIGSTOP', await run({ backplane: single(redis), breakOnce }));
  });

  it('no message is lost, doubled or reordered when Redis is shut down', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      await redis.call('SHUTDOWN', 'NOSAVE').catch(() => undefined); // Redis closes the connection
      await redis.stop();
      await pauseForOutage();
      await redis.start();
    };
    expectNothingLost('SHUTDOWN', await run({ backplane: single(redis), breakOnce }));
  });

  it('no message is lost, doubled or reordered when subscribers exceed a small output limit', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis({ args: ['--client-output-buffer-limit', 'pubsub', '512kb', '0', '0'] });
    const breakOnce = async (traffics: readonly CountedTraffic[]): Promise<void> => {
      for (const each of traffics) each.burst(4000);
    };
    expectNothingLost(
      'output limit',
      await run({ backplane: single(redis), breakOnce, bytes: 1024, perSecond: 50, times: Math.ceil(TIMES / 4) }),
    );
  });

  it('no message is lost, doubled or reordered when 12 MB wait at each node', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async ([waits]: readonly CountedTraffic[]): Promise<void> => {
      await redis.stop();
      await pause(300);
      waits?.burst(3000);
      await pause(100);
      await redis.start();
    };
    expectNothingLost(
      '12 MB',
      await run({ backplane: single(redis), breakOnce, bytes: 4096, perSecond: 20, times: Math.ceil(TIMES / 20) }),
    );
  });

  it('no message is lost, doubled or reordered when Sentinel promotes a replica', { timeout: TIMEOUT_MS }, async () => {
    await using all: RedisSentinel = await startSentinel();
    const nodes = [{ host: '127.0.0.1', port: all.sentinel.port }];
    const breakOnce = async (): Promise<void> => void (await all.failover());
    expectNothingLost('promoted replica', await run({ backplane: { sentinels: { name: all.masterName, nodes } }, breakOnce }));
  });

  describe('on a Redis Cluster', () => {
    it('no message is lost, doubled or reordered in an orderly failover of a Redis Cluster', { timeout: 2 * TIMEOUT_MS }, async () => {
      await using servers: RedisCluster = await startRedisCluster();
      const breakOnce = async (): Promise<void> => {
        await servers.failover(await servers.masterOf('{hall:all}'));
      };
      expectNothingLost('orderly failover', await run({ backplane: { url: servers.url }, breakOnce }));
    });

    it('no message is lost, doubled or reordered in a forced failover of a Redis Cluster', { timeout: 2 * TIMEOUT_MS }, async () => {
      await using servers: RedisCluster = await startRedisCluster();
      const breakOnce = async (): Promise<void> => {
        const master = await servers.masterOf('{hall:all}');
        await master.stop();
        await pause(3000 + chance() * 1000);
        await master.start();
        await servers.ready();
      };
      expectNothingLost('forced failover', await run({ backplane: { url: servers.url }, breakOnce }));
    });
  });
});
