import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer, jsonCodec, type Codec } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { expect, it } from 'vitest';
import { costOf } from '../src/connection/cost.ts';
import { heapInUse } from './heap.ts';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';
import { stuckBackplane } from './stuck-backplane.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  slow(value: unknown): Promise<void>;
  unread(items: AsyncIterable<unknown>): Promise<void>;
  asking(value: unknown): Promise<void>;
}
interface Receiver {
  confirm(): Promise<boolean>;
}
const contract = defineHub<Calls, Receiver>('queued', { unread: { uploads: 1 } });
const MEBIBYTE = 1024 * 1024;
/** 10,000 empty objects: 30 kB on the wire, and a hundred times as much when decoded. */
const LARGE = Array.from({ length: 10_000 }, () => ({}));
const LARGE_BYTES = costOf(LARGE);

/** Wraps a codec, and counts the decoded messages except calls of `echo`. */
function counted(codec: Codec): Codec & { decoded: number } {
  const counter = {
    ...codec,
    decoded: 0,
    decoder: (options: Parameters<Codec['decoder']>[0]) => {
      const decoder = codec.decoder(options);
      return {
        push: (chunk: Parameters<typeof decoder.push>[0], deliver: Parameters<typeof decoder.push>[1]) =>
          decoder.push(chunk, (message) => {
            if (!('target' in message && message.target === 'echo')) counter.decoded++;
            deliver(message);
          }),
        get isPartial() {
          return decoder.isPartial;
        },
      };
    },
  };
  return counter;
}

/** Starts a hub whose methods take nothing until the gate opens. */
async function start(codec: Codec) {
  const counter = counted(codec);
  let pass: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (pass = resolve));
  let holds = false;
  const server = createHubServer({ protocols: [counter, ...(codec.name === 'json' ? [] : [jsonCodec])] });
  server.hub(contract, {
    path: '/hub',
    connected: () => (holds ? gate : undefined),
    methods: {
      echo: async (_ctx, value) => value,
      slow: () => gate,
      async unread(_ctx, items) {
        await gate;
        for await (const _ of items);
      },
      async asking(ctx) {
        await ctx.clients.caller.invoke.confirm();
        await gate;
      },
    },
  });
  const opened = await listenAndConnect(server);
  /** Waits until nothing is decoded during 30 calls of a neighbour, and returns the number of decoded messages. */
  const settled = async (): Promise<number> => {
    for (let before = -1; before !== counter.decoded;) {
      before = counter.decoded;
      for (let round = 0; round < 30; round++) await opened.client.call('echo', round);
    }
    return counter.decoded;
  };
  return {
    ...opened,
    counter,
    settled,
    pass,
    holdConnected: () => (holds = true),
    async [Symbol.asyncDispose]() {
      pass();
      await opened[Symbol.asyncDispose]();
    },
  };
}

async function flooderOf({ port }: { readonly port: number }, codec: Codec) {
  const client = await RawClient.open(port, { handshake: { protocol: codec.name, version: 1 } });
  return { client, send: (message: Parameters<Codec['encode']>[0]): void => client.socket.send(codec.encode(message)) };
}

const call = (invocationId: string, target: string, ...args: readonly unknown[]) =>
  ({ type: 1, invocationId, target, arguments: args }) as const;
const item = (value: unknown) => ({ type: 2, invocationId: 'u', item: value }) as const;

const cases = [{ codec: jsonCodec }, { codec: messagePack() }];
/** The number of messages within a budget, and the one that exceeds it, which is decoded too. */
const within = (budget: number): number => Math.floor(budget / LARGE_BYTES) + 1;

it.each(cases)('the server decodes no more calls than maxQueuedBytes allows while a method runs, over $codec.name', async ({ codec }) => {
  await using world = await start(codec);
  const { client, send } = await flooderOf(world, codec);
  for (let i = 0; i < 60; i++) send(call(`${i}`, 'slow', LARGE)); // fewer than maxQueuedCalls
  const running = 1;
  expect(await world.settled()).toBeLessThanOrEqual(running + within(MEBIBYTE));
  world.pass();
  await expect.poll(() => world.counter.decoded).toBe(60);
  await client[Symbol.asyncDispose]();
});

it.each(cases)(
  'the server decodes no more calls than maxQueuedBytes allows before `connected` has run, over $codec.name',
  async ({ codec }) => {
    await using world = await start(codec);
    world.holdConnected();
    const { client, send } = await flooderOf(world, codec);
    for (let i = 0; i < 60; i++) send(call(`${i}`, 'slow', LARGE));
    expect(await world.settled()).toBeLessThanOrEqual(within(MEBIBYTE));
    world.pass();
    await expect.poll(() => world.counter.decoded).toBe(60);
    await client[Symbol.asyncDispose]();
  },
);

it.each(cases)('the server decodes at most twice maxQueuedBytes while the client owes a result, over $codec.name', async ({ codec }) => {
  await using world = await start(codec);
  const { client, send } = await flooderOf(world, codec);
  send(call('question', 'asking', 0));
  await client.until(() => client.frames.some((frame) => frame.includes('confirm')));
  for (let i = 0; i < 60; i++) send(call(`${i}`, 'slow', LARGE));
  const [asking, running] = [1, 1];
  expect(await world.settled()).toBeLessThanOrEqual(asking + running + within(2 * MEBIBYTE));
  await client[Symbol.asyncDispose]();
});

it.each(cases)('the server decodes no more items of an upload than maxQueuedBytes allows, over $codec.name', async ({ codec }) => {
  await using world = await start(codec);
  const { client, send } = await flooderOf(world, codec);
  send({ ...call('1', 'unread'), streamIds: ['u'] });
  for (let i = 0; i < 9; i++) send(item(LARGE)); // fewer than uploadCapacity
  expect(await world.settled()).toBeLessThanOrEqual(1 + within(MEBIBYTE));
  world.pass();
  await expect.poll(() => world.counter.decoded).toBe(10);
  await client[Symbol.asyncDispose]();
});

it('the server decodes 128 small calls that wait, and one more', async () => {
  await using world = await start(jsonCodec);
  const { client, send } = await flooderOf(world, jsonCodec);
  for (let i = 0; i < 300; i++) send(call(`${i}`, 'slow', 0)); // each in its own frame
  const running = 1;
  expect(await world.settled()).toBe(running + 128 + 1);
  await client[Symbol.asyncDispose]();
});

it('the server decodes 10 small items of an upload that wait, and one more', async () => {
  await using world = await start(jsonCodec);
  const { client, send } = await flooderOf(world, jsonCodec);
  send({ ...call('1', 'unread'), streamIds: ['u'] });
  for (let i = 0; i < 100; i++) send(item(i));
  expect(await world.settled()).toBe(1 + 10 + 1);
  await client[Symbol.asyncDispose]();
});

it.each([
  ['objects', {}],
  ['numbers', 0.5],
  ['texts', 'x'],
  ['keys', { a: 1, b: 2 }],
])('the server holds no more memory than the budget of clients that flood a slow method with %s', async (_what, small) => {
  await using world = await start(jsonCodec);
  const before = heapInUse();
  const args = Array.from({ length: Math.floor(30_000 / (JSON.stringify(small).length + 1)) }, () => small);
  const flooders = await Promise.all(Array.from({ length: 4 }, () => flooderOf(world, jsonCodec)));
  for (const { send } of flooders) for (let i = 0; i < 60; i++) send(call(`${i}`, 'slow', args));
  await world.settled();
  expect((heapInUse() - before) / MEBIBYTE).toBeLessThan(4 * 2.5);
  for (const { client } of flooders) await client[Symbol.asyncDispose]();
});

it('the server reads only READ_AHEAD_BYTES of a client whose registration does not end', async () => {
  let isStuck = false;
  await using server = createHubServer({ backplane: stuckBackplane(() => isStuck), timeouts: { closeMs: 10 } });
  const echo = defineHub<Pick<Calls, 'echo'>>('echo');
  server.hub(echo, { path: '/hub', methods: { echo: async (_ctx, value) => value } });
  await using host = createServer();
  const sockets: Socket[] = [];
  host.on('connection', (socket: Socket) => sockets.push(socket));
  server.attach(host.listen(0));
  const { port } = host.address() as AddressInfo;
  await using neighbour = await RawClient.open(port);
  isStuck = true;
  await using flooder = await RawClient.open(port, { handshake: null });
  flooder.send({ protocol: 'json', version: 1 });
  for (let i = 0; i < 4; i++) flooder.socket.send('x'.repeat(MEBIBYTE));
  for (let round = 0; round < 100; round++) await neighbour.call('echo', round);
  expect(sockets[1]?.bytesRead).toBeGreaterThan(64 * 1024);
  expect(sockets[1]?.bytesRead).toBeLessThan(4 * 64 * 1024);
  for (const socket of sockets) socket.destroy();
});
