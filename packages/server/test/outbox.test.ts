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

/** A server whose writes are kept. */
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
    /** What has been written to each socket since the last look. */
    written: () => [...writes.values()].map((kept) => kept.splice(0)),
    async [Symbol.asyncDispose]() {
      await Promise.all(receivers.map((client) => client[Symbol.asyncDispose]()));
      await server.close();
      http.close();
    },
  };
}

it('writes what is sent in one turn as one frame, in order', async () => {
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

it('writes the same bytes to everybody who is sent the same', async () => {
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

it('gives everybody their own where they are sent different things in one turn', async () => {
  await using world = await start(2);
  const [a, b] = world.receivers as [RawClient, RawClient];
  const id = (await world.hub.presence.connections()).items[0]?.connectionId ?? '';
  void world.hub.clients.all.send.said('to all');
  void world.hub.clients.connection(id).send.said('to one');
  void world.hub.clients.all.except(id).send.said('to the other');
  void world.hub.clients.all.send.said('to all again');
  for (const client of [a, b]) await client.until(() => client.messages.length === 3);
  const heard = [a, b].map((client) => client.messages.map((message) => (message.arguments as string[])[0]));
  expect(heard.sort((x, y) => (x[1] ?? '').localeCompare(y[1] ?? ''))).toEqual([
    ['to all', 'to one', 'to all again'],
    ['to all', 'to the other', 'to all again'],
  ]);
});

it('answers calls of one frame in one frame, with what the methods sent before', async () => {
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

it('writes messages of every size whole: frames change their header at 126 and 65536 bytes', async () => {
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

it('writes much of one turn in several frames, in order, and joins no more than that', async () => {
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
