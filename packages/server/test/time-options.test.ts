import { createHubConnection, longPolling, webSockets } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubServer } from '@hubline/server';
import { afterEach, expect, it, vi } from 'vitest';
import { systemClock, timeLimit } from '../src/connection/index.ts';
import { settingsFrom } from '../src/node/index.ts';
import { errorOf, invalidOption } from './option-errors.ts';
import { shortTimersHaveFired } from './short-timers.ts';
import { TestClock } from './test-clock.ts';

afterEach(() => void vi.useRealTimers());

const NONE: readonly unknown[] = [NaN, -1, null, '5'];
const NEVER: readonly number[] = [Infinity, 2 ** 31];
const defaults = settingsFrom({}).timeouts;
const names = Object.keys(defaults);
const contract = defineHub<{ join(): Promise<void> }, { ask(): Promise<number> }>('durations');

it.each(names)('timeouts.%s must be a time above 0', async (name) => {
  for (const ms of [...NONE, 0])
    expect([ms, await errorOf(() => createHubServer({ timeouts: { [name]: ms } }))]).toEqual([ms, invalidOption(`timeouts.${name}`)]);
});

it.each(NEVER)('a time limit of %d ms never ends anything, for every time limit', async (ms) => {
  await using server = createHubServer({ timeouts: Object.fromEntries(names.map((name) => [name, ms])) });
  const ended: unknown[] = [];
  const errors: unknown[] = [];
  server.on('error', (error) => void errors.push(error));
  const hub = server.hub(contract, {
    path: '/hub',
    authenticate: async () => {
      await shortTimersHaveFired();
      return {};
    },
    connected: shortTimersHaveFired,
    disconnected: (_ctx, { code }) => void ended.push(code),
    methods: {
      join: async (ctx) => {
        await ctx.groups.add('g');
        await shortTimersHaveFired();
      },
    },
  });
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/hub`;
  for (const transport of [webSockets(), longPolling()]) {
    const ask = async (): Promise<number> => {
      await shortTimersHaveFired();
      return 1;
    };
    const connection = createHubConnection(contract, url, { receiver: { ask }, transports: [transport] });
    await connection.start();
    await connection.invoke.join();
    expect((await hub.clients.group('g').invokeAll.ask()).items).toMatchObject([{ value: 1 }]);
    expect(await hub.clients.group('g').invokeOne.ask()).toBe(1);
    expect(connection.state.name).toBe('connected');
    await connection.stop();
    await expect.poll(() => server.health().connections).toBe(0);
  }
  expect(ended).toEqual(['left', 'left']);
  expect(errors).toEqual([]);
});

it('a time limit of undefined means its default', () => {
  expect(settingsFrom({ timeouts: Object.fromEntries(names.map((name) => [name, undefined])) }).timeouts).toEqual(defaults);
  expect(settingsFrom({ timeouts: undefined, limits: undefined, protocols: undefined }).timeouts).toEqual(defaults);
});

it('a hub whose options are all undefined gets the defaults', async () => {
  const unset = (...options: readonly string[]): never => Object.fromEntries(options.map((name) => [name, undefined])) as never;
  await using server = createHubServer({
    ...(unset('nodeId', 'app', 'accept', 'backplane', 'trustProxy', 'pathPrefix', 'detailedErrors', 'logger', 'limits') as object),
    affinity: unset('query', 'cookie', 'path', 'domain'),
  });
  server.hub(contract, {
    ...(unset('limits', 'backplane', 'attributes', 'origins', 'args', 'results', 'authorize', 'use', 'connected') as object),
    ...(unset('transports', 'minimumVersion', 'redirect', 'sameIdentity', 'disconnected') as object),
    path: '/hub',
    authenticate: () => ({ userId: undefined, attributes: undefined }),
    methods: { join: async () => undefined },
  });
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/hub`;
  const connection = createHubConnection(contract, url, { transports: [webSockets()] });
  await connection.start();
  await connection.invoke.join();
  await connection.stop();
});

type Act = (server: HubServer, ms: never) => unknown;
it.each<[option: string, from: string, act: Act]>([
  ['spreadMs', 'drain', (server, spreadMs) => server.drain({ spreadMs })],
  ['graceMs', 'drain', (server, graceMs) => server.drain({ graceMs })],
  ['graceMs', 'close', (server, graceMs) => server.close({ graceMs })],
  ['graceMs', 'watchUsers', (server, graceMs) => server.hub(contract).presence.watchUsers({ all: true }, { graceMs })],
  ['timeoutMs', 'a target', (server, timeoutMs) => server.hub(contract).clients.all.with({ timeoutMs })],
  ['attemptMs', 'a target', (server, attemptMs) => server.hub(contract).clients.all.with({ attemptMs })],
])('%s of %s must be a time from 0 on', async (option, from, act) => {
  for (const ms of NONE) {
    await using server = createHubServer();
    expect([ms, await errorOf(() => act(server, ms as never))]).toEqual([ms, invalidOption(option, { value: ms })]);
  }
  for (const ms of [0, undefined, ...NEVER]) {
    await using server = createHubServer();
    const expected = option === 'spreadMs' && ms === Infinity ? invalidOption(option) : 'nothing was refused';
    expect([from, ms, await errorOf(() => act(server, ms as never))]).toEqual([from, ms, expected]);
  }
});

it('a timer of 25 days or more never fires', async () => {
  vi.useFakeTimers();
  const fired: unknown[] = [];
  for (const ms of [2 ** 31 - 1, 2 ** 31 - 0.5, 2 ** 31, Infinity]) systemClock.after(ms, () => void fired.push(ms));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(fired).toEqual([]);
  await vi.advanceTimersByTimeAsync(2 ** 31 + 1_000);
  expect(fired).toEqual([2 ** 31 - 1]);
});

it('a time limit of 25 days or more stays endless after a part of it has passed', () => {
  expect([2 ** 31 - 1, 2 ** 31, Infinity].map((ms) => timeLimit(ms) - 1_000)).toEqual([2 ** 31 - 1_001, Infinity, Infinity]);
});

it('uptimeMs is measured with a monotonic clock', async () => {
  const clock = new TestClock();
  let wall = 1_000_000;
  await using server = createHubServer({}, Object.assign(clock, { now: () => wall }));
  wall -= 3_600_000;
  await clock.advance(5_000);
  expect(server.health().uptimeMs).toBe(5_000);
});
