import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { incarnationOf, Keys } from '../src/keys.ts';
import { Sweeper, type SweeperOptions } from '../src/sweeper.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SWEEP_DELAY_MS = 10_000;

/** Starts a sweeper whose store refuses every command, as Redis does for a key of another type. */
function start(isUp: boolean) {
  let tries = 0;
  const reports: unknown[] = [];
  const refuse = async (): Promise<never> => {
    tries++;
    throw new Error('WRONGTYPE');
  };
  const sweeper = new Sweeper({
    store: { run: refuse, read: refuse } as unknown as SweeperOptions['store'],
    keys: new Keys('test'),
    settings: { sweepDelayMs: SWEEP_DELAY_MS, nodeTimeoutMs: 1000 } as SweeperOptions['settings'],
    status: { isUp } as SweeperOptions['status'],
    observer: { report: (stage: string, error: unknown) => void reports.push([stage, error]) } as unknown as SweeperOptions['observer'],
  });
  sweeper.schedule(incarnationOf('ann', 1));
  return { reports, tries: () => tries, [Symbol.dispose]: () => sweeper.close() };
}

it('a sweep that Redis refuses is repeated after sweepDelayMs, and reported each time', async () => {
  using world = start(true);
  await vi.advanceTimersByTimeAsync(1000);
  expect([world.tries(), world.reports]).toEqual([1, [['sweep', expect.objectContaining({ message: 'WRONGTYPE' })]]]);
  await vi.advanceTimersByTimeAsync(SWEEP_DELAY_MS - 1000);
  expect(world.tries()).toBe(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect([world.tries(), world.reports.length]).toEqual([2, 2]);
});

it('a sweep that an outage interrupts is repeated within a second, and not reported', async () => {
  using world = start(false);
  await vi.advanceTimersByTimeAsync(5000);
  expect(world.tries()).toBeGreaterThan(4);
  expect(world.reports).toEqual([]);
});
