import { defineHub } from '@hubline/protocol';
import { createHubServer, type CloseReason } from '@hubline/server';
import { expect, it } from 'vitest';
import { encodeFrame, Opcode, WireSocket } from './fuzz/wire.ts';
import { listenAndConnect } from './listen-and-connect.ts';
import { TestClock } from './test-clock.ts';

interface Hub {
  echo(value: unknown): Promise<unknown>;
  wait(): Promise<string>;
  ticks(): AsyncIterable<number>;
}
const contract = defineHub<Hub>('echo', { ticks: 'stream' });
const PING = { type: 6 };

const PLAIN = { protocol: 'json', version: 1 };

/** Starts a server, and a plain SignalR client unless the handshake announces Hubline. */
async function start(handshake: object = PLAIN) {
  const clock = new TestClock();
  const server = createHubServer({}, clock);
  const ended: CloseReason[] = [];
  let finish: (text: string) => void = () => undefined;
  server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      wait: () => new Promise((resolve) => (finish = resolve)),
      async *ticks(ctx) {
        yield 1;
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      },
    },
    disconnected: (_ctx, reason) => void ended.push(reason),
  });
  const opened = await listenAndConnect(server, { handshake });
  const { client } = opened;
  return {
    ...opened,
    clock,
    ended,
    finish: (text: string) => finish(text),
    /** Resolves when the server has read what the client sent. */
    async arrived() {
      const pong = new Promise((resolve) => client.socket.once('pong', resolve));
      client.socket.ping();
      await pong;
    },
    /** Advances in steps, between which the client answers WebSocket pings. */
    async pass(steps: number, ms: number) {
      for (let i = 0; i < steps; i++) {
        await clock.advance(ms);
        await this.arrived();
      }
    },
    pings: () => client.records.filter(({ type }) => type === 6).length,
  };
}

/** A client that sends these messages and then answers nothing, not even WebSocket pings. */
async function halfOpen(port: number, messages: readonly object[]): Promise<WireSocket> {
  const text = messages.map((message) => `${JSON.stringify(message)}\u001e`).join('');
  const socket = new WireSocket(port, encodeFrame(Opcode.text, Buffer.from(text)));
  await socket.until(() => socket.frames.length > 0);
  return socket;
}

it('the server pings a client to which nothing was sent for keepAliveMs, and no other', async () => {
  await using world = await start();
  const { clock, client } = world;
  await clock.advance(14_000);
  expect((await client.call('echo', 1)).result).toBe(1);
  await clock.advance(14_000);
  await world.arrived();
  expect(world.pings()).toBe(0);
  await clock.advance(3000);
  await expect.poll(world.pings).toBe(1);
  await clock.advance(45_000);
  await expect.poll(world.pings).toBeGreaterThanOrEqual(3);
  await world.arrived();
  expect(world.pings()).toBeLessThanOrEqual(4);
});

it('the server expects no pings of a client that never sent one', async () => {
  await using world = await start();
  await world.pass(60, 10_000);
  expect((await world.client.call('echo', 1)).result).toBe(1);
});

it('the server disconnects a client that pinged and then was silent, and lets it reconnect', async () => {
  await using world = await start();
  const { clock, client } = world;
  client.send(PING);
  await world.arrived();
  await clock.advance(29_000);
  expect((await client.call('echo', 1)).result).toBe(1);
  await clock.advance(29_000);
  expect(client.socket.readyState).toBe(client.socket.OPEN);
  await clock.advance(4000);
  expect(await client.closed).toBe(1000);
  expect(client.messages.at(-1)).toEqual({
    type: 7,
    error: 'Connection closed with an error. HublineError: The client was silent for 30000 ms.',
    allowReconnect: true,
  });
  await expect.poll(() => world.ended).toMatchObject([{ code: 'timed_out' }]);
});

it('the server does not count the silence of a client while its call runs', async () => {
  await using world = await start();
  const { clock, client } = world;
  client.send(PING, { type: 1, invocationId: 'w', target: 'wait', arguments: [] });
  await world.arrived();
  await world.pass(12, 10_000);
  world.finish('done');
  expect((await client.completion('w')).result).toBe('done');
  await clock.advance(29_000);
  expect(client.socket.readyState).toBe(client.socket.OPEN);
  await clock.advance(4000);
  await client.closed;
});

it('the server counts the silence of a client while its stream runs', async () => {
  await using world = await start();
  const { clock, client } = world;
  client.send(PING, { type: 4, invocationId: 's', target: 'ticks', arguments: [] });
  await client.until(() => client.items('s').length === 1);
  await clock.advance(34_000);
  await client.closed;
  await expect.poll(() => world.ended).toMatchObject([{ code: 'timed_out' }]);
});

it.each([
  ['of a client that never pinged', PLAIN, []],
  ['of a client of ours, which pings when it has sent nothing', { ...PLAIN, hubline: 1 }, []],
  ['of a client whose call runs', PLAIN, [{ type: 1, invocationId: 'w', target: 'wait', arguments: [] }]],
])('the server detects a half-open link %s', async (_of, handshake, messages) => {
  await using world = await start();
  await using half = await halfOpen(world.port, [handshake, ...messages]);
  await world.pass(2, 14_000);
  expect(half.frames.filter(({ opcode }) => opcode === Opcode.ping).length).toBe(1);
  expect(world.ended).toEqual([]);
  await world.pass(1, 4000);
  await expect.poll(() => world.ended).toMatchObject([{ code: 'timed_out' }]);
});

it('the server detects a half-open link while a slow method keeps it from reading', async () => {
  await using world = await start();
  const waits = Array.from({ length: 500 }, () => ({ type: 1, target: 'wait', arguments: [] }));
  await using _half = await halfOpen(world.port, [PLAIN, ...waits]);
  await world.pass(4, 8000);
  await expect.poll(() => world.ended).toMatchObject([{ code: 'timed_out' }]);
});

it('the server counts the silence of a client that announced Hubline from the handshake on', async () => {
  await using world = await start({ ...PLAIN, hubline: 1 });
  await world.pass(3, 9000);
  expect(world.ended).toEqual([]);
  await world.clock.advance(5000);
  await expect.poll(() => world.ended).toMatchObject([{ code: 'timed_out' }]);
});

it('the server stops its keep-alive timer when no client is connected', async () => {
  await using world = await start();
  expect(world.clock.size).toBeGreaterThan(0);
  world.client.socket.close(1000);
  await world.client.closed;
  await expect.poll(() => world.ended.length).toBe(1);
  await world.clock.advance(60_000);
  expect(world.clock.size).toBe(0);
});

it('the server answers a ping of a client that announced Hubline, which checks its link when it wakes', async () => {
  await using world = await start({ protocol: 'json', version: 1, hubline: 1 });
  world.client.send(PING);
  await expect.poll(world.pings).toBe(1);
});

it('the server answers no ping of a client that did not announce Hubline', async () => {
  await using world = await start();
  world.client.send(PING);
  expect((await world.client.call('echo', 1)).result).toBe(1);
  expect(world.pings()).toBe(0);
});
