import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { incarnationOf, Keys } from '../src/keys.ts';
import { settingsFrom } from '../src/options.ts';
import { Sweeper } from '../src/sweeper.ts';
import { MemoryStore } from './memory-store.ts';
import { NO_OBSERVER } from './repair-nodes.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SWEEP_DELAY_MS = 10_000;
const keys = new Keys('test');
const ann = incarnationOf('ann', 1);

/** Starts a sweeper whose sweeps fail while the list of watched topics is a key of another type, or the connection is closed. */
function start({ isUp }: { readonly isUp: boolean }) {
  const store = new MemoryStore();
  store.redis.execute(['set', keys.watched, 'not a hash']);
  if (!isUp) store.disconnect();
  const record = store.record();
  const reports: unknown[] = [];
  const sweeper = new Sweeper({
    store,
    keys,
    settings: { ...settingsFrom({ nodeTimeoutMs: 1000, heartbeatIntervalMs: 400 }), sweepDelayMs: SWEEP_DELAY_MS },
    status: { isUp, isEntering: true, outage: isUp ? undefined : 'unreachable', settled: Promise.resolve() },
    observer: { ...NO_OBSERVER, report: (stage, error) => void reports.push([stage, error]) },
  });
  sweeper.schedule(ann);
  const tries = () => record.filter((command) => command === `set ${keys.sweep(ann, 1)}`).length;
  return { reports, tries, [Symbol.dispose]: () => sweeper.close() };
}

it('a sweep that Redis refuses is repeated after sweepDelayMs, and reported each time', async () => {
  using world = start({ isUp: true });
  await vi.advanceTimersByTimeAsync(1000);
  expect([world.tries(), world.reports]).toEqual([
    1,
    [['sweep', expect.objectContaining({ message: expect.stringContaining('WRONGTYPE') as string })]],
  ]);
  await vi.advanceTimersByTimeAsync(SWEEP_DELAY_MS - 1000);
  expect(world.tries()).toBe(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect([world.tries(), world.reports.length]).toEqual([2, 2]);
});

it('a sweep that an outage interrupts is repeated within a second, and not reported', async () => {
  using world = start({ isUp: false });
  await vi.advanceTimersByTimeAsync(5000);
  expect(world.tries()).toBeGreaterThan(4);
  expect(world.reports).toEqual([]);
});
