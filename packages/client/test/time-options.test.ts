import { after } from '@hubline/protocol';
import { afterEach, expect, it, vi } from 'vitest';
import { backoff, longPolling, serverSentEvents, type Transport } from '../src/index.ts';
import { offer, silent } from './plain-server.ts';
import { shortTimersHaveFired } from './short-timers.ts';
import { World } from './world.ts';

afterEach(() => void vi.useRealTimers());

const NONE: readonly unknown[] = [NaN, -1, null, '5'];
const NEVER: readonly unknown[] = [Infinity, 2 ** 31];
const refused = (option: string): unknown =>
  expect.objectContaining({ code: 'invalid_option', details: expect.objectContaining({ option }) as unknown });

it.each(['callTimeoutMs', 'keepAliveMs', 'serverTimeoutMs', 'startTimeoutMs'])(
  '%s must be a time above 0, and may be endless',
  async (option) => {
    for (const ms of [...NONE, 0]) await expect(World.open({ [option]: ms })).rejects.toEqual(refused(option));
    for (const ms of NEVER) {
      await using world = await World.started({ [option]: ms, behaves: silent });
      const call = world.connection.invoke.echo(1).catch((error: unknown) => error);
      await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
      await shortTimersHaveFired();
      world.server.last.send({ type: 3, invocationId: '0', result: [1] });
      expect(await call).toEqual([1]);
      expect(world.states).toEqual(['connecting', 'connected']);
      expect(world.server.clients).toHaveLength(1);
    }
  },
);

it.each(['firstMs', 'maxMs', 'attempts'])('reconnect.%s must be a number from 0 on', async (option) => {
  for (const value of NONE) {
    await expect(World.open({ reconnect: { [option]: value } })).rejects.toEqual(refused(`reconnect.${option}`));
    expect(() => backoff({ [option]: value })).toThrow(refused(`reconnect.${option}`));
  }
  for (const value of [0, undefined, ...NEVER]) {
    const policy = backoff({ [option]: value });
    for (const attempt of [0, 1, 2_000]) {
      const ms = policy.nextDelayMs({ attempt, cause: new Error('lost') });
      if (option === 'attempts' && value === 0) expect(ms).toBeNull();
      else expect(ms).toBeGreaterThanOrEqual(0);
    }
  }
});

it.each<[string, (options: { timeoutMs?: number | undefined }) => Transport]>([
  ['LongPolling', longPolling],
  ['ServerSentEvents', serverSentEvents],
])('timeoutMs of %s must be a time above 0, and may be endless', async (name, transport) => {
  for (const ms of [...NONE, 0]) expect(() => transport({ timeoutMs: ms as number })).toThrow(refused('timeoutMs'));
  for (const ms of [undefined, ...NEVER]) {
    const asked: string[] = [];
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    const slow: typeof fetch = async (input, init) => {
      const { pathname } = new URL(input as URL);
      asked.push(`${init?.method ?? 'GET'} ${pathname}`);
      if (!init?.method) await held;
      init?.signal?.throwIfAborted();
      return fetch(input, init);
    };
    const availableTransports = [{ transport: name, transferFormats: ['Text'] }];
    await using world = await World.open({
      fetch: slow,
      transports: [transport({ timeoutMs: ms as number })],
      negotiates: (_, n) => offer(n, { availableTransports }),
      reconnect: false,
    });
    const started = world.connection.start().catch((error: unknown) => error);
    await vi.waitFor(() => expect(asked).toContain('GET /hub'));
    await shortTimersHaveFired();
    expect(asked).toEqual(['POST /hub/negotiate', 'GET /hub']);
    expect(world.connection.state.name).toBe('connecting');
    answer();
    await started;
  }
});

it('timeoutMs of a call must be a time from 0 on, and may be endless', async () => {
  await using world = await World.started();
  const { connection } = world;
  for (const ms of NONE) {
    expect(() => connection.with({ timeoutMs: ms as number })).toThrow(refused('timeoutMs'));
    expect(() => void connection.call('echo', [], { timeoutMs: ms as number })).toThrow(refused('timeoutMs'));
  }
  for (const timeoutMs of [undefined, ...NEVER] as number[]) expect(await connection.with({ timeoutMs }).invoke.echo(1)).toEqual([1]);
  await using mute = await World.started({ behaves: silent });
  await expect(mute.connection.with({ timeoutMs: 0 }).invoke.echo()).rejects.toMatchObject({
    code: 'call_timeout',
    details: { timeoutMs: 0 },
  });
});

it('an option of undefined means its default', async () => {
  const unset = { callTimeoutMs: undefined, keepAliveMs: undefined, serverTimeoutMs: undefined, startTimeoutMs: undefined };
  await using world = await World.started({ ...unset, behaves: silent, manualClock: true, reconnect: { firstMs: undefined } });
  const call = world.connection.with({ timeoutMs: undefined, signal: undefined, window: undefined }).invoke.echo();
  const failed = expect(call).rejects.toMatchObject({ code: 'call_timeout', details: { timeoutMs: 30_000 } });
  const pings = (): number => world.server.last.received.filter((message) => (message as { type: number }).type === 6).length;
  for (let second = 0; second < 30; second++) {
    world.server.last.send({ type: 6 });
    world.clock.advance(1_000);
    if (second < 14) expect(pings()).toBe(0);
  }
  await failed;
  await vi.waitFor(() => expect(pings()).toBeGreaterThan(0));
});

it('a timer of 25 days or more never fires', async () => {
  vi.useFakeTimers();
  const fired: unknown[] = [];
  const times = [2 ** 31 - 1, 2 ** 31 - 0.5, 2 ** 31, Infinity];
  for (const ms of times) after(ms, () => void fired.push(ms));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fired).toEqual([]);
  await vi.advanceTimersByTimeAsync(2 ** 31 + 1_000);
  expect(fired).toEqual([2 ** 31 - 1]);
});
