import { expect, it } from 'vitest';
import { ConnectionQuota } from '../src/connection/index.ts';
import { settingsFrom } from '../src/node/index.ts';
import { TestClock } from './test-clock.ts';

/** Creates a quota with default limits. */
function defaults() {
  const clock = new TestClock();
  const quota = new ConnectionQuota({ limits: settingsFrom({}).limits, clock, report: () => undefined });
  return { clock, quota };
}

/** Repeats a step until it is refused, and returns the number of successes and the refusal. */
async function until(most: number, step: (at: number) => unknown): Promise<[count: number, refusal: unknown]> {
  for (let at = 0; at < most; at++) {
    try {
      await step(at);
    } catch (error) {
      return [at, error];
    }
  }
  return [most, undefined];
}
const refused = (status: number): unknown => expect.objectContaining({ refusal: expect.objectContaining({ status }) as unknown });

it('the default quota allows 500 new connections a second', async () => {
  const { quota } = defaults();
  expect(await until(1000, (at) => quota.reserve(`10.0.0.${at}`))).toEqual([500, refused(503)]);
});

it('the default quota allows 250 new connections of one address a second', async () => {
  const { quota } = defaults();
  expect(await until(1000, () => quota.reserve('10.0.0.1'))).toEqual([250, refused(429)]);
});

it('the default quota allows 50,000 connections', async () => {
  const { quota, clock } = defaults();
  const enter = async (at: number): Promise<void> => {
    if (at % 500 === 499) await clock.advance(1000);
    quota.reserve(`10.1.${at >> 8}.${at & 255}`);
  };
  expect(await until(60_000, enter)).toEqual([50_000, refused(503)]);
});

it('the default quota allows 1,000 connections of one address', async () => {
  const { quota, clock } = defaults();
  const enter = async (at: number): Promise<void> => {
    if (at % 250 === 249) await clock.advance(1000);
    quota.reserve('10.0.0.1');
  };
  expect(await until(2000, enter)).toEqual([1000, refused(429)]);
});

it('the default quota allows 500 connections of one user', async () => {
  const { quota, clock } = defaults();
  const enter = async (at: number): Promise<void> => {
    if (at % 500 === 499) await clock.advance(1000);
    quota.reserve(`10.0.0.${at}`).assignTo('alice');
  };
  expect(await until(1000, enter)).toEqual([500, refused(429)]);
});

/** Starts a run of `authenticate` that never settles. @throws if the quota refuses it */
async function authenticating(quota: ConnectionQuota, remoteAddress: string, clientGone: AbortSignal): Promise<void> {
  const run = quota.authenticate(() => new Promise<never>(() => undefined), { remoteAddress, clientGone, timeoutMs: 10_000 });
  await Promise.race([run, new Promise<void>((resolve) => setImmediate(resolve))]);
  run.catch(() => undefined);
}

it('the default quota allows 1,024 authentications at the same time, and 256 of one address', async () => {
  const clientGone = new AbortController().signal;
  const one = defaults().quota;
  expect(await until(400, () => authenticating(one, '10.0.0.1', clientGone))).toEqual([256, refused(429)]);
  const all = defaults().quota;
  expect(await until(2000, (at) => authenticating(all, `10.0.0.${at >> 7}`, clientGone))).toEqual([1024, refused(503)]);
});
