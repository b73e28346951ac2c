import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';

interface Calls {
  burst(count: number): Promise<number>;
  sized(bytes: number): Promise<string>;
}
interface Receiver {
  said(text: string): void;
  numbered(n: number): void;
}
const contract = defineHub<Calls, Receiver>('outbox');

/** Starts a server that records the writes to its sockets. */
async function start(clients: number) {
  const http = createServer();
  const writes = new Map<Socket, Uint8Array[]>();
  http.on('connection', (socket: Socket) => {
    const kept: Uint8Array[] = [];
    writes.set(socket, kept);
    const write = socket.write.bind(socket);
    socket.write = (data: string | Uint8Array) => {
      if (typeof data !== 'string') kept.push(data);
      return write(data);
    };
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const server = createHubServer();
  const hub = server.hub(contract, {
    path: '/hub',
    methods: {
      burst: async (ctx, count) => {
        for (let i = 0; i < count; i++) void ctx.clients.caller.send.numbered(i);
        return count;
      },
      sized: async (_ctx, bytes) => 'x'.repeat(bytes),
    },
  });
  server.attach(http);
  const { port } = http.address() as AddressInfo;
  const receivers = await Promise.all(Array.from({ length: clients }, () => RawClient.open(port)));
  return {
    hub,
    receivers,
    /** Returns the writes to each socket since the last call. */
    written: () => [...writes.values()].map((kept) => kept.splice(0)),
    async [Symbol.asyncDispose]() {
      await Promise.all(receivers.map((client) => client[Symbol.asyncDispose]()));
      await server.close();
      http.close();
    },
  };
}

it('all messages of one turn are written as one frame, in order', async () => {
  await using world = await start(2);
  const [a, b] = world.receivers as [RawClient, RawClient];
  world.written();
  for (let i = 0; i < 5; i++) void world.hub.clients.all.send.numbered(i);
  void world.hub.clients.all.send.said('last');
  for (const client of [a, b]) {
    await client.until(() => client.messages.length === 6);
    expect(client.frames).toHaveLength(2);
    expect(client.messages.map((message) => message.arguments)).toEqual([[0], [1], [2], [3], [4], ['last']]);
  }
  expect(world.written().map((writes) => writes.length)).toEqual([1, 1]);
});

it('clients that get the same messages share the same bytes', async () => {
  await using world = await start(3);
  const [a, b, c] = world.receivers as [RawClient, RawClient, RawClient];
  world.written();
  void world.hub.clients.all.send.said('one');
  void world.hub.clients.all.send.said('two');
  for (const client of [a, b, c]) await client.until(() => client.messages.length === 2);
  const [first, second, third] = world.written();
  expect(first).toHaveLength(1);
  expect(second?.[0]).toBe(first?.[0]);
  expect(third?.[0]).toBe(first?.[0]);
});

it('clients that get different messages in one turn each get their own', async () => {
  await using world = await start(2);
  const [a, b] = world.receivers as [RawClient, RawClient];
  const id = (await world.hub.presence.connections()).items[0]?.connectionId ?? '';
  void world.hub.clients.all.send.said('to all');
  void world.hub.clients.connection(id).send.said('to one');
  void world.hub.clients.all.except(id).send.said('to the other');
  void world.hub.clients.all.send.said('to all again');
  for (const client of [a, b]) await client.until(() => client.messages.length === 3);
  const received = [a, b].map((client) => client.messages.map((message) => (message.arguments as string[])[0]));
  expect(received.sort((x, y) => (x[1] ?? '').localeCompare(y[1] ?? ''))).toEqual([
    ['to all', 'to one', 'to all again'],
    ['to all', 'to the other', 'to all again'],
  ]);
});

it('the results of calls in one frame are written in one frame, with the messages that the methods sent before', async () => {
  await using world = await start(1);
  const [client] = world.receivers as [RawClient];
  world.written();
  client.send(...[3, 2].map((count, i) => ({ type: 1, invocationId: `${i}`, target: 'burst', arguments: [count] })));
  await client.completion('1');
  expect(client.messages.map(({ type, arguments: args, result }) => (type === 3 ? `=${String(result)}` : args))).toEqual([
    [0],
    [1],
    [2],
    '=3',
    [0],
    [1],
    '=2',
  ]);
  expect(world.written()).toMatchObject([{ length: 1 }]);
});

it('messages of every size are written whole, in frames of the three header sizes', async () => {
  await using world = await start(1);
  const [client] = world.receivers as [RawClient];
  const overhead = '{"type":3,"invocationId":"c0","result":""}\u001e'.length;
  for (const [i, size] of [125, 126, 127, 65_535, 65_536, 65_537, 1_000_000].entries()) {
    const before = client.frames.length;
    const bytes = size - overhead - (i > 9 ? 1 : 0);
    expect((await client.call('sized', bytes)).result).toHaveLength(bytes);
    expect(client.frames.slice(before).map((frame) => frame.length)).toEqual([size]);
  }
});

it('a turn with much to write is written in several frames, in order', async () => {
  await using world = await start(1);
  const [client] = world.receivers as [RawClient];
  const text = 'é'.repeat(20_000);
  for (let i = 0; i < 20; i++) void world.hub.clients.all.send.said(`${i}${text}`);
  await client.until(() => client.messages.length === 20);
  expect(client.messages.map((message) => Number.parseInt((message.arguments as string[])[0] ?? ''))).toEqual(
    Array.from({ length: 20 }, (_, i) => i),
  );
  expect(client.frames.length).toBeGreaterThan(5);
});
