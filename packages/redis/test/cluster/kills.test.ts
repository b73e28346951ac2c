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
import { Kills, type Tally } from './kills.ts';

/** How often something is broken: HUBLINE_KILLS=60 makes the table of docs/guarantees.md, one variant after the other with `-t`. */
const TIMES = Number(process.env.HUBLINE_KILLS ?? 1);
const seed = Number(process.env.HUBLINE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const chance = random(seed);
const TIMEOUT_MS = 30_000 + TIMES * 12_000;

const POLICIES = ['waits', 'reject'] as const;

// eslint-disable-next-line no-restricted-syntax -- an outage lasts as long as it lasts
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const anOutage = (): Promise<void> => pause(300 + chance() * 1200);

interface Scene {
  readonly backplane: RedisBackplaneOptions;
  /** Breaks something, and mends it. */
  readonly breakOnce: (kills: readonly Kills[]) => Promise<void>;
  readonly perSecond?: number;
  readonly bytes?: number;
  readonly times?: number;
}

/** Both policies on one Redis, each with four nodes. */
async function play({ backplane, breakOnce, perSecond, bytes, times = TIMES }: Scene): Promise<Readonly<Record<string, Tally>>> {
  const [first, second] = POLICIES.map((policy) => new Kills({ policy, backplane, ...(bytes ? { bytes } : {}) }));
  await using waiting = first!;
  await using rejecting = second!;
  const kills = [waiting, rejecting];
  await Promise.all(kills.map((each) => each.start(perSecond)));
  for (let i = 0; i < times; i++) {
    await pause(100 + chance() * 300);
    await breakOnce(kills);
    await Promise.all(kills.map((each) => each.isBack()));
  }
  const [waits, reject] = await Promise.all(kills.map((each) => each.end()));
  return { waits: waits!, reject: reject! };
}

function expectNothingLost(name: string, tallies: Readonly<Record<string, Tally>>): void {
  console.info(`${name}, seed ${seed}: ${JSON.stringify(tallies)}`);
  // Neither an orderly failover nor a paced burst need be noticed as an outage.
  if (!/^(?:orderly|output)/.test(name)) expect(tallies.waits!.downs + tallies.reject!.downs).toBeGreaterThan(0);
  for (const [policy, { lost, doubled, reordered, told }] of Object.entries(tallies)) {
    expect({ policy, lost, doubled, reordered, told }).toEqual({ policy, lost: 0, doubled: 0, reordered: 0, told: 0 });
  }
}

const single = ({ port }: RedisServer): RedisBackplaneOptions => ({ host: '127.0.0.1', port });

/** Clients of others, subscribed to a lot of channels, and idle: Redis writes to them too before it is killed. */
function foreigners(redis: RedisServer, count: number): Disposable {
  const clients = Array.from({ length: count }, (_, i) => {
    const client = new Redis(redis.url, { maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    void client.subscribe(...Array.from({ length: 20 }, (_each, j) => `foreign-${i}-${j}`)).catch(() => undefined);
    return client;
  });
  return { [Symbol.dispose]: () => clients.forEach((client) => client.disconnect()) };
}

describe.sequential('nothing is lost, doubled or reordered', () => {
  it('when Redis is killed and comes back empty', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      await redis.stop();
      await anOutage();
      await redis.start();
    };
    expectNothingLost('SIGKILL', await play({ backplane: single(redis), breakOnce }));
  });

  it('when Redis is killed while thirty others are subscribed', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    using _others = foreigners(redis, 30);
    const breakOnce = async (): Promise<void> => {
      await redis.stop();
      await anOutage();
      await redis.start();
    };
    expectNothingLost('SIGKILL, idle subscribers', await play({ backplane: single(redis), breakOnce }));
  });

  it.each(['pubsub', 'normal'])('when all connections of a type are killed: %s', { timeout: TIMEOUT_MS }, async (type) => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => void (await redis.call('CLIENT', 'KILL', 'TYPE', type));
    expectNothingLost(`CLIENT KILL TYPE ${type}`, await play({ backplane: single(redis), breakOnce }));
  });

  it('when one subscriber connection is killed', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      const list = String(await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
      const ids = [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id ?? '');
      await redis.call('CLIENT', 'KILL', 'ID', ids[Math.floor(chance() * ids.length)] ?? '');
    };
    expectNothingLost('one subscriber', await play({ backplane: single(redis), breakOnce }));
  });

  it('when Redis is stopped and goes on', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      redis.pause();
      await pause(1500 + chance() * 1500); // longer than the time limit of a command, so that it is an outage
      redis.resume();
    };
    expectNothingLost('SIGSTOP', await play({ backplane: single(redis), breakOnce }));
  });

  it('when Redis is shut down', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async (): Promise<void> => {
      await redis.call('SHUTDOWN', 'NOSAVE').catch(() => undefined); // it hangs up
      await redis.stop();
      await anOutage();
      await redis.start();
    };
    expectNothingLost('SHUTDOWN', await play({ backplane: single(redis), breakOnce }));
  });

  it('when subscribers exceed a small output limit', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis({ args: ['--client-output-buffer-limit', 'pubsub', '512kb', '0', '0'] });
    const breakOnce = async (kills: readonly Kills[]): Promise<void> => {
      for (const each of kills) each.burst(4000);
    };
    expectNothingLost(
      'output limit',
      await play({ backplane: single(redis), breakOnce, bytes: 1024, perSecond: 50, times: Math.ceil(TIMES / 4) }),
    );
  });

  it('when 12 MB wait at each node', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const breakOnce = async ([waits]: readonly Kills[]): Promise<void> => {
      await redis.stop();
      await pause(300);
      waits?.burst(3000);
      await pause(100);
      await redis.start();
    };
    expectNothingLost(
      '12 MB',
      await play({ backplane: single(redis), breakOnce, bytes: 4096, perSecond: 20, times: Math.ceil(TIMES / 20) }),
    );
  });

  it('when a replica is promoted', { timeout: TIMEOUT_MS }, async () => {
    await using all: RedisSentinel = await startSentinel();
    const nodes = [{ host: '127.0.0.1', port: all.sentinel.port }];
    const breakOnce = async (): Promise<void> => void (await all.failover());
    expectNothingLost('promoted replica', await play({ backplane: { sentinels: { name: all.masterName, nodes } }, breakOnce }));
  });

  describe('on a Redis Cluster', () => {
    it('in an orderly failover', { timeout: 2 * TIMEOUT_MS }, async () => {
      await using servers: RedisCluster = await startRedisCluster();
      const breakOnce = async (): Promise<void> => {
        await servers.failover(await servers.masterOf('{hall:all}'));
      };
      expectNothingLost('orderly failover', await play({ backplane: { url: servers.url }, breakOnce }));
    });

    it('in a forced failover', { timeout: 2 * TIMEOUT_MS }, async () => {
      await using servers: RedisCluster = await startRedisCluster();
      const breakOnce = async (): Promise<void> => {
        const master = await servers.masterOf('{hall:all}');
        await master.stop();
        await pause(3000 + chance() * 1000);
        await master.start();
        await servers.ready();
      };
      expectNothingLost('forced failover', await play({ backplane: { url: servers.url }, breakOnce }));
    });
  });
});
