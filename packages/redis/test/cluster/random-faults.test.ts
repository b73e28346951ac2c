import { random } from '@hubline/testing';
import { expect, it } from 'vitest';
import { RandomRun } from './fixtures/random-run.ts';
import { RedisTestCluster } from './fixtures/redis-test-cluster.ts';

const seed = Number(process.env.HUBLINE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const forMs = Number(process.env.HUBLINE_RANDOM_MS ?? 40_000);

it(
  `presence, routing, watches and stored keys are correct after random operations and faults (seed ${seed})`,
  async ({ onTestFailed }) => {
    const chance = random(seed);
    // With rare heartbeats the test finds losses that only a heartbeat repairs.
    const heartbeatIntervalMs = chance() < 0.5 ? 250 : 700;
    const backplane = { heartbeatIntervalMs, nodeTimeoutMs: 1500, redisTimeoutMs: 700, sweepDelayMs: 1500 };
    await using cluster = await RedisTestCluster.start({ nodes: 4, links: true, backplane, onTestFailed });
    await using run = new RandomRun(cluster, chance);
    await run.start();
    const end = performance.now() + forMs;
    let rounds = 0;
    try {
      while (performance.now() < end) {
        rounds++;
        await run.round();
      }
      await run.end();
    } catch (cause) {
      throw new Error(`Seed ${seed}, round ${rounds}: ${run.log.join('; ')}. ${(cause as Error).message}`, { cause });
    }
    if (process.env.HUBLINE_RANDOM_MS) console.log(`Seed ${seed}: ${rounds} rounds, ${run.actions} actions.`);
    expect(run.actions).toBeGreaterThan(rounds);
  },
  forMs + 120_000,
);
