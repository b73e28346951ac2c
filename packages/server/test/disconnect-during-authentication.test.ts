import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { HANDSHAKE, HttpClient } from './http-client.ts';
import { requestLines, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

const contract = defineHub<{ echo(value: unknown): Promise<unknown> }>('ghosts');

/** Starts a server whose `authenticate` is asynchronous and can be held by the test. */
async function start() {
  const clock = new TestClock();
  const server = createHubServer({}, clock);
  const errors: unknown[] = [];
  server.on('error', (...error) => errors.push(error));
  const waiting: { readonly admit: () => void; readonly signal: AbortSignal }[] = [];
  let holds = false;
  const hub = server.hub(contract, {
    path: '/hub',
    authenticate: async ({ signal }) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (holds) await new Promise<void>((admit) => waiting.push({ admit, signal }));
      return {};
    },
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0, '127.0.0.1');
  const sockets: Socket[] = [];
  /** Writes to a new socket. */
  const write = async (text: string): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  };
  return {
    server,
    hub,
    clock,
    errors,
    waiting,
    url: `http://127.0.0.1:${port}/hub`,
    write,
    hold: () => (holds = true),
    leave: () => sockets.forEach((socket) => socket.destroy()),
    async [Symbol.asyncDispose]() {
      for (const { admit } of waiting) admit();
      await server.close();
    },
  };
}

type Request = (target: string) => string;
const POLL: Request = (target) => requestLines('GET', target, {});
const EVENTS: Request = (target) => requestLines('GET', target, { accept: 'text/event-stream' });
const POST_HANDSHAKE: Request = (target) => requestLines('POST', target, { 'content-length': String(HANDSHAKE.length) }) + HANDSHAKE;
const DELETE: Request = (target) => requestLines('DELETE', target, { 'content-length': '0' });
const NEGOTIATE: Request = () => requestLines('POST', '/hub/negotiate?negotiateVersion=1', { 'content-length': '0' });
const UPGRADE: Request = (target) => upgradeLines(target);
const UPGRADE_WITHOUT_ID: Request = () => upgradeLines('/hub');

/** The requests of each case. The client disconnects while the last one is authenticated. */
const STEPS: readonly (readonly [name: string, ...requests: Request[]])[] = [
  ['a negotiation', NEGOTIATE],
  ['an upgrade that was negotiated', UPGRADE],
  ['an upgrade without negotiation', UPGRADE_WITHOUT_ID],
  ['a stream of events', EVENTS],
  ['a post to a stream of events', EVENTS, POST_HANDSHAKE],
  ['a first poll', POLL],
  ['a second poll', POLL, POLL],
  ['a post between polls', POLL, POST_HANDSHAKE],
  ['a poll after the handshake', POLL, POST_HANDSHAKE, POLL, POLL],
  ['the end of long polling', POLL, DELETE],
];
const ORDERS = ['before its authentication ends', 'while its authentication ends', 'after its authentication'] as const;

const cases = STEPS.flatMap(([name, ...requests]) => ORDERS.map((order) => ({ name, order, requests })));

it.each(cases)('the server releases everything of a client that disconnects during $name, $order', async ({ order, requests }) => {
  await using world = await start();
  const target = targetOf(await HttpClient.negotiate(world.url));
  for (const request of requests.slice(0, -1)) await once(await world.write(request(target)), 'data');
  const upgrades = [UPGRADE, UPGRADE_WITHOUT_ID].includes(requests.at(-1) ?? POLL);
  world.hold();
  await world.write(requests.at(-1)?.(target) ?? '');
  await expect.poll(() => world.waiting.length).toBe(1);
  const [{ admit, signal } = { admit: () => undefined, signal: AbortSignal.abort() }] = world.waiting;
  if (order === 'before its authentication ends') {
    world.leave();
    // The server does not read the socket of an upgrade before it is authenticated.
    if (!upgrades) await expect.poll(() => signal.aborted).toBe(true);
  } else if (order === 'while its authentication ends') {
    world.leave();
  }
  admit();
  await new Promise((resolve) => setImmediate(resolve));
  world.leave();
  await expect
    .poll(async () => {
      await world.clock.advance(200_000); // longer than each time limit
      return [world.server.health().connections, (await world.hub.presence.count()).value, world.clock.size];
    })
    .toEqual([0, 0, 0]);
  expect(world.errors).toEqual([]);
});

it('the server releases a stream whose response waits behind another response of its socket', async () => {
  await using world = await start();
  const polling = await HttpClient.polling(world.url);
  const streaming = await HttpClient.negotiate(world.url);
  await world.write(POLL(targetOf(polling)) + EVENTS(targetOf(streaming)));
  await expect.poll(() => world.server.health().connections).toBe(2);
  world.leave();
  await expect.poll(() => world.server.health().connections).toBe(1);
  await world.clock.advance(20_000); // the client does not poll again
  expect(world.server.health().connections).toBe(0);
  expect(world.clock.size).toBe(0);
});

it('the signal of authenticate aborts when the client disconnects and after authenticateMs', async () => {
  await using world = await start();
  world.hold();
  await world.write(NEGOTIATE(''));
  await expect.poll(() => world.waiting.length).toBe(1);
  await world.clock.advance(9999);
  expect(world.waiting[0]?.signal.aborted).toBe(false);
  world.leave();
  await expect.poll(() => world.waiting[0]?.signal.reason as unknown).toMatchObject({ code: 'cancelled' });
  const answer = fetch(`${world.url}/negotiate`, { method: 'POST' });
  await expect.poll(() => world.waiting.length).toBe(2);
  await world.clock.advance(10_000);
  const { status, headers } = await answer;
  expect([status, headers.get('retry-after')]).toEqual([503, '1']);
  expect(world.waiting[1]?.signal.reason).toMatchObject({ code: 'timed_out', details: { timeoutMs: 10_000 } });
  expect(world.errors).toMatchObject([
    ['limit', { code: 'timed_out' }],
    ['limit', { code: 'timed_out' }],
  ]); // the first run never ended either
});

function targetOf({ url }: HttpClient): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}
