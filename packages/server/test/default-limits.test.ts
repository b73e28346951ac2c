import { defineHub } from '@hubline/protocol';
import { createHubServer, type CloseReason } from '@hubline/server';
import { expect, it } from 'vitest';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  hit(): Promise<void>;
  wait(): Promise<void>;
  join(count: number): Promise<string>;
  stuck(): AsyncIterable<number>;
  unread(items: AsyncIterable<number>): Promise<void>;
}
interface Receiver {
  said(text: string): void;
}
const contract = defineHub<Calls, Receiver>('defaults', { stuck: 'stream', unread: { uploads: 1 } });
const MEBIBYTE = 1024 * 1024;

/** Starts a server with default limits. */
async function start() {
  const server = createHubServer({ timeouts: { closeMs: 50 } }, new TestClock());
  let [hits, running] = [0, 0];
  let pass: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (pass = resolve));
  const ended: CloseReason[] = [];
  const hub = server.hub(contract, {
    path: '/hub',
    disconnected: (_ctx, reason) => void ended.push(reason),
    methods: {
      echo: async (_ctx, value) => value,
      hit: async () => void hits++,
      wait: () => (running++, gate),
      async join(ctx, count) {
        for (let i = 0; i < count; i++) await ctx.groups.add(`${i}`);
        return 'joined';
      },
      async *stuck() {
        yield 1;
        await gate;
      },
      unread: () => gate,
    },
  });
  server.connectionHandler('/raw', async (connection) => {
    for await (const chunk of connection) void connection.send(String(chunk.length));
  });
  const opened = await listenAndConnect(server);
  const rounds = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await opened.client.call('echo', i);
  };
  return {
    ...opened,
    server,
    hub,
    ended,
    rounds,
    hits: () => hits,
    running: () => running,
    async [Symbol.asyncDispose]() {
      pass();
      await opened.client[Symbol.asyncDispose]();
      void server.close();
    },
  };
}
const HIT = { type: 1, target: 'hit', arguments: [] };

it('the server runs one call of a client at a time', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  for (let i = 0; i < 3; i++) client.send({ type: 1, target: 'wait', arguments: [] });
  await world.rounds(20);
  expect(world.running()).toBe(1);
});

it('a connection handler gets WebSocket messages of up to 1 MiB', async () => {
  await using world = await start();
  await using client = new RawClient(world.port, { path: '/raw' });
  await new Promise((resolve) => client.socket.once('open', resolve));
  client.socket.send(Buffer.alloc(MEBIBYTE));
  await client.until(() => client.frames.includes(String(MEBIBYTE)));
  client.socket.send(Buffer.alloc(MEBIBYTE + 1));
  expect(await client.closed).toBe(1009);
});

it('the server buffers 4 MiB for a client that does not read, and then disconnects it', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  client.pause();
  const text = 'x'.repeat(MEBIBYTE / 2);
  for (let i = 0; i < 100; i++) {
    void world.hub.clients.all.send.said(text);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await expect.poll(() => world.ended).toMatchObject([{ code: 'slow_consumer', error: { details: { limitBytes: 4 * MEBIBYTE } } }]);
});

it('a client may open 1,024 streams', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  for (let i = 0; i < 1030; i++) client.send({ type: 4, invocationId: `${i}`, target: 'stuck', arguments: [] });
  client.send({ type: 4, invocationId: 'last', target: 'stuck', arguments: [] });
  const { error } = await client.completion('last');
  expect(error).toContain('maxOpenCalls (1024)');
  expect(client.messages.filter(({ type }) => type === 3)).toHaveLength(7);
});

it('a connection may be in 1,000 groups', async () => {
  await using world = await start();
  expect((await world.client.call('join', 1000)).result).toBe('joined');
  expect((await world.client.call('join', 1001)).result).not.toBe('joined');
});

it('the server reads 20,000 messages of a client in a second', async () => {
  await using world = await start();
  await using flooder = await RawClient.open(world.port);
  for (let i = 0; i < 30; i++) flooder.send(...Array.from({ length: 1000 }, () => HIT));
  await expect.poll(world.hits).toBeGreaterThan(19_000);
  await world.rounds(50);
  expect(world.hits()).toBeLessThan(21_000);
});

it('the server reads 16 MiB of a client in a second', async () => {
  await using world = await start();
  await using flooder = await RawClient.open(world.port);
  const large = { ...HIT, headers: { x: 'x'.repeat(30_000) } };
  for (let i = 0; i < 800; i++) flooder.send(large);
  await expect.poll(world.hits).toBeGreaterThan(500);
  await world.rounds(200);
  expect(world.hits()).toBeLessThan(600);
});

it('the server writes no pongs to a client that does not read, and writes them again when it reads', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  const pongs: string[] = [];
  client.socket.on('pong', (payload) => pongs.push(payload.toString()));
  client.pause();
  await world.hub.clients.all.send.said('x'.repeat(16 * MEBIBYTE));
  client.socket.ping('early');
  client.send(HIT);
  await expect.poll(world.hits).toBe(1);
  client.resume();
  await client.until(() => client.messages.length > 0);
  client.socket.ping('late');
  await expect.poll(() => pongs).toEqual(['late']);
});

it('the server accepts a handshake of 4 kB, and cancels a longer one', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port, { handshake: null });
  client.socket.send(`{"protocol":"json","version":1,"x":"${'x'.repeat(4000)}"}\u001e`);
  await client.until(() => client.frames.includes('{}\u001e'));
  await using other = await RawClient.open(world.port, { handshake: null });
  other.socket.send(`{"protocol":"json","version":1,"x":"${'x'.repeat(4100)}`);
  await other.closed;
  expect(other.frames).toEqual(['{"error":"Handshake was canceled."}\u001e']);
});
