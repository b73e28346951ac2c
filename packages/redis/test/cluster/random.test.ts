import { random } from '@hubline/testing';
import { expect, it } from 'vitest';
import { Storm } from './kit/storm.ts';
import { World } from './kit/world.ts';

const seed = Number(process.env.HUBLINE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const forMs = Number(process.env.HUBLINE_RANDOM_MS ?? 40_000);

it(
  `whatever happens, everything is as it should be when it is over (seed ${seed})`,
  async ({ onTestFailed }) => {
    const chance = random(seed);
    // Rare beats show what nothing but a beat repairs.
    const heartbeatIntervalMs = chance() < 0.5 ? 250 : 700;
    const backplane = { heartbeatIntervalMs, nodeTimeoutMs: 1500, redisTimeoutMs: 700, sweepDelayMs: 1500 };
    await using world = await World.start({ nodes: 4, links: true, backplane, onTestFailed });
    await using storm = new Storm(world, chance);
    await storm.start();
    const end = performance.now() + forMs;
    let rounds = 0;
    try {
      while (performance.now() < end) {
        rounds++;
        await storm.round();
      }
      await storm.end();
    } catch (cause) {
      throw new Error(`Seed ${seed}, round ${rounds}: ${storm.log.join('; ')}. ${(cause as Error).message}`, { cause });
    }
    if (process.env.HUBLINE_RANDOM_MS) console.log(`Seed ${seed}: ${rounds} rounds, ${storm.actions} actions.`);
    expect(storm.actions).toBeGreaterThan(rounds);
  },
  forMs + 120_000,
);
