import { connect } from 'node:net';
import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type CloseReason, type HubServerOptions } from '@hubline/server';
import { expect, it } from 'vitest';
import { encodeFrame, Opcode, WireSocket } from './fuzz/wire.ts';
import { HttpClient } from './http-client.ts';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient, upgradeLines } from './raw-client.ts';
import { shortTimersHaveFired } from './short-timers.ts';
import { stuckBackplane } from './stuck-backplane.ts';
import { TestClock } from './test-clock.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  count(to: number): AsyncIterable<number>;
}
interface Receiver {
  confirm(): Promise<boolean>;
}
const contract = defineHub<Calls, Receiver>('time', { count: 'stream' });
const END = '\u001e';

async function start(options: HubServerOptions = {}) {
  const clock = new TestClock();
  const server = createHubServer(options, clock);
  const ended: CloseReason[] = [];
  const log: string[] = [];
  let isStuck = false;
  const hub = server.hub(contract, {
    path: '/hub',
    connected: () => (isStuck ? new Promise<never>(() => undefined) : undefined),
    disconnected: (_ctx, reason) => void ended.push(reason),
    methods: {
      echo: async (_ctx, value) => value,
      async *count(_ctx, to) {
        try {
          for (let i = 1; i <= to; i++) yield i;
        } finally {
          log.push('count ends');
        }
      },
    },
  });
  const opened = await listenAndConnect(server);
  /** Advances in seconds, between which the client answers, so that its link is not silent. */
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      await clock.advance(1000);
      const pong = new Promise((resolve) => opened.client.socket.once('pong', resolve));
      opened.client.socket.ping();
      if (i % 10 === 0) opened.client.send({ type: 6 });
      await pong;
    }
  };
  return {
    ...opened,
    server,
    hub,
    clock,
    ended,
    log,
    pass,
    stick: () => (isStuck = true),
    async [Symbol.asyncDispose]() {
      await opened.client[Symbol.asyncDispose]();
      let isClosed = false;
      void server.close().then(() => (isClosed = true));
      await expect // closing waits a limited time for what never ends
        .poll(async () => {
          await clock.advance(1000);
          return isClosed;
        })
        .toBe(true);
    },
  };
}

it('a socket whose client does not answer a close is destroyed after closeMs', async () => {
  await using world = await start({ timeouts: { closeMs: 3_000 } });
  const hello = Buffer.from(JSON.stringify({ protocol: 'json', version: 1 }) + END);
  const silent = connect(world.port, '127.0.0.1').setEncoding('latin1');
  let received = '';
  silent.on('data', (text: string) => (received += text));
  silent.write(upgradeLines('/hub'));
  silent.write(encodeFrame(Opcode.text, hello));
  await expect.poll(() => received).toContain(`{}${END}`);
  await world.hub.disconnect({ all: true });
  await expect.poll(() => received).toContain('\x88\x02\x03\xe8'); // a close with 1000
  await world.clock.advance(3_000);
  await expect.poll(() => silent.closed).toBe(true);
});

it('a negotiated connection waits 15 s for its transport', async () => {
  await using world = await start();
  const url = `http://127.0.0.1:${world.port}/hub`;
  const [one, other] = [await HttpClient.negotiate(url), await HttpClient.negotiate(url)];
  await world.pass(14);
  expect((await one.poll()).status).toBe(200);
  await world.pass(2);
  expect((await other.poll()).status).toBe(404);
});

it('a connection waits 15 s for its handshake', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port, { handshake: null });
  await world.pass(14);
  expect(client.frames).toEqual([]);
  await world.pass(2);
  await client.closed;
  expect(client.frames).toEqual([`{"error":"Handshake was canceled."}${END}`]);
});

it.each([
  [15, {}],
  [20, { openingMs: 20_000 }],
])('a connection whose registration takes longer than %d s ends', async (seconds, timeouts) => {
  let isStuck = false;
  await using world = await start({ timeouts, backplane: stuckBackplane(() => isStuck) });
  isStuck = true;
  await using client = await RawClient.open(world.port, { handshake: null });
  client.socket.send(`{"protocol":"json","version":1}${END}`);
  await world.pass(seconds - 1);
  expect(client.frames).toEqual([]);
  await world.pass(2);
  await client.closed;
  expect(client.frames).toEqual([`{"error":"Handshake was canceled."}${END}`]);
  isStuck = false;
});

it('a connection whose hook `connected` takes longer than 30 s ends, which is reported', async () => {
  await using world = await start();
  world.stick();
  await using client = await RawClient.open(world.port);
  await world.pass(29);
  expect(client.messages).toEqual([]);
  await world.pass(2);
  await client.closed;
  expect(client.messages).toEqual([{ type: 7, error: 'Connection closed with an error.', allowReconnect: true, code: 'internal' }]);
  expect(world.errors).toMatchObject([['connected', { code: 'timed_out' }]]);
});

it('a client whose message is not complete after 60 s is disconnected, and not earlier', async () => {
  await using world = await start();
  const { client } = world;
  client.socket.send(`{"type":1,"target":"echo","arguments":["`);
  const drip = async (): Promise<void> => {
    await world.clock.advance(1000);
    client.socket.send('x');
    const pong = new Promise((resolve) => client.socket.once('pong', resolve));
    client.socket.ping();
    await Promise.race([pong, client.closed]);
  };
  for (let i = 0; i < 58; i++) await drip();
  client.socket.send(`"],"invocationId":"1"}${END}`);
  expect((await client.completion('1')).result).toHaveLength(58);
  client.socket.send('{"type');
  for (let i = 0; i < 62; i++) await drip();
  await client.closed;
  expect(client.messages.at(-1)).toMatchObject({ type: 7, allowReconnect: true, code: 'timed_out' });
});

it('a stream without credit ends after 300 s, and not earlier', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ type: 4, invocationId: 's', target: 'count', arguments: [10], headers: { 'hubline-credit': '2' } });
  await client.until(() => client.items('s').length === 2);
  await world.pass(298);
  client.send({ type: 64, invocationId: 's', credit: 1 });
  await client.until(() => client.items('s').length === 3);
  await world.pass(298);
  expect(world.log).toEqual([]);
  await world.pass(4);
  expect(await client.completion('s')).toMatchObject({
    error: "The client gave the stream of 'count' no credit for 300000 ms.",
    headers: { 'hubline-code': 'timed_out' },
  });
  await expect.poll(() => world.log).toEqual(['count ends']);
  expect((await client.call('echo', 1)).result).toBe(1);
});

it('a call of a client waits 30 s for the result, and invokeOne waits 5 s for each client', async () => {
  await using world = await start();
  const over: unknown[] = [];
  const { all } = world.hub.clients;
  void all.invokeAll.confirm().then(({ items }) => over.push(items));
  await world.client.until(() => world.client.messages.length === 1);
  await world.pass(29);
  expect(over).toEqual([]);
  await world.pass(2);
  await expect.poll(() => over).toMatchObject([[{ code: 'call_timeout' }]]);
  all.invokeOne.confirm().catch((error: unknown) => over.push(error));
  await world.client.until(() => world.client.messages.filter(({ target }) => target === 'confirm').length === 2);
  await world.pass(4);
  expect(over).toHaveLength(1);
  await world.pass(2);
  await expect.poll(() => over.slice(1)).toMatchObject([{ code: 'no_client_responded', details: { causes: [{ code: 'call_timeout' }] } }]);
});

it.each([Infinity, 2 ** 31])('a time limit of %d ms does not end at once, although no timer takes it', async (ms) => {
  const authenticate = async () => {
    await shortTimersHaveFired();
    return {};
  };
  await using server = createHubServer({ timeouts: { authenticateMs: ms, callMs: ms, attemptMs: ms } });
  const asking = defineHub<Record<never, never>, { ask(): Promise<number> }>('asking');
  const hub = server.hub(asking, { path: '/hub', authenticate, methods: {} });
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/hub`;
  const ask = async () => {
    await shortTimersHaveFired();
    return 1;
  };
  const connection = createHubConnection(asking, url, { receiver: { ask } });
  await connection.start();
  expect((await hub.clients.all.invokeAll.ask()).items).toMatchObject([{ value: 1 }]);
  expect(await hub.clients.all.with({ timeoutMs: ms }).invokeOne.ask()).toBe(1);
  await connection.stop();
});

it("a connection handler's connection ends if its link is half-open or its message stays incomplete", async () => {
  await using world = await start();
  const over: string[] = [];
  world.server.connectionHandler('/raw', async (connection) => {
    const name = connection.request.url.searchParams.get('name') ?? '';
    for await (const _ of connection);
    over.push(name);
  });
  await using half = new WireSocket(world.port, encodeFrame(Opcode.text, Buffer.from('all')), '/raw?name=half');
  await half.until(() => half.status === 101);
  await world.pass(28);
  expect(half.frames.filter(({ opcode }) => opcode === Opcode.ping).length).toBe(1);
  expect(over).toEqual([]);
  await world.pass(4);
  await expect.poll(() => over).toEqual(['half']);
  await using partial = new WireSocket(world.port, encodeFrame(Opcode.text, Buffer.from('x'), { isFinal: false }), '/raw?name=partial');
  await partial.until(() => partial.status === 101);
  for (let i = 0; i < 7; i++) {
    await world.pass(9);
    partial.write(encodeFrame(Opcode.continuation, Buffer.from('x'), { isFinal: false }));
  }
  await expect.poll(() => over).toEqual(['half', 'partial']);
});
