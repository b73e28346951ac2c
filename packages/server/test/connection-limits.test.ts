import { defineHub } from '@hubline/protocol';
import { createHubServer, type CloseReason, type HubServerOptions } from '@hubline/server';
import { expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  wait(): AsyncIterable<number>;
  big(bytes: number): Promise<string>;
  id(): Promise<string>;
}
interface Receiver {
  said(text: string): void;
}
const contract = defineHub<Calls, Receiver>('limits', { wait: 'stream' });
const END = '\u001e';

async function start(options: HubServerOptions = {}) {
  const server = createHubServer(options);
  const ended: CloseReason[] = [];
  const errors: unknown[] = [];
  server.on('error', (...error) => errors.push(error));
  const hub = server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      async *wait(ctx) {
        yield 1;
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      },
      big: async (_ctx, bytes) => 'x'.repeat(bytes),
      id: async (ctx) => ctx.connectionId,
    },
    disconnected: (_ctx, reason) => void ended.push(reason),
  });
  const port = await server.listen(0, '127.0.0.1');
  const client = await RawClient.open(port);
  const neighbour = await RawClient.open(port);
  return {
    hub,
    port,
    client,
    neighbour,
    ended,
    errors,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await neighbour[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

const invocation = (id: number, value: unknown) => ({ type: 1, invocationId: `${id}`, target: 'echo', arguments: [value] });

it.each([
  ['at once', (text: string) => [text]],
  ['in pieces, without an end', (text: string) => text.match(/[^]{1,300}/g)?.map((piece) => piece.replace(END, '')) ?? []],
  ['of few characters and many bytes', () => [`{"type":6,"x":"${'€'.repeat(350)}"}${END}`]],
])('a message larger than maxMessageBytes ends its client and no other: %s', async (_how, pieces) => {
  await using world = await start({ limits: { maxMessageBytes: 1000 } });
  const { client, neighbour } = world;
  expect((await client.call('echo', 'x'.repeat(900))).result).toHaveLength(900);
  for (const piece of pieces(JSON.stringify(invocation(1, 'x'.repeat(2000))) + END)) client.socket.send(piece);
  expect(await client.closed).toBe(1000);
  expect(client.messages.at(-1)).toEqual({
    type: 7,
    error: 'Connection closed with an error. HublineError: The maximum message size of 1000B was exceeded. See maxMessageBytes.',
    allowReconnect: false,
    code: 'message_too_large',
  });
  await expect.poll(() => world.ended.map(({ code }) => code)).toEqual(['message_too_large']);
  expect((await neighbour.call('echo', 'fine')).result).toBe('fine');
});

it('maxMessageBytes is 32 KiB by default', async () => {
  await using world = await start();
  const { client } = world;
  const overhead = JSON.stringify(invocation(0, '')).length;
  client.send(invocation(0, 'x'.repeat(32 * 1024 - overhead)));
  expect((await client.completion('0')).result).toHaveLength(32 * 1024 - overhead);
  client.send(invocation(1, 'x'.repeat(32 * 1024 - overhead + 1)));
  await client.closed;
  expect(client.messages.at(-1)).toMatchObject({ code: 'message_too_large' });
});

it('a WebSocket message may have any size if each of its hub messages is below maxMessageBytes', async () => {
  await using world = await start({ limits: { maxFrameBytes: 5000 } });
  const { client } = world;
  const text = 'x'.repeat(10_000);
  client.send(...Array.from({ length: 300 }, (_, i) => invocation(i, text)));
  await client.until(() => client.messages.length === 300);
  expect(client.messages.every(({ result }) => result === text)).toBe(true);
});

it('a WebSocket message may have many small hub messages that are larger than maxMessageBytes together', async () => {
  await using world = await start();
  const { client } = world;
  const messages = Array.from({ length: 3000 }, (_, i) => invocation(i, i));
  expect(JSON.stringify(messages).length).toBeGreaterThan(4 * 32 * 1024);
  client.send(...messages);
  await client.until(() => client.frames.at(-1)?.includes('"invocationId":"2999"'));
  expect(client.messages.map(({ result }) => result)).toEqual(messages.map((_, i) => i));
});

it('a client may send thousands of calls ahead of their results', async () => {
  await using world = await start();
  const { client } = world;
  for (let i = 0; i < 5000; i++) client.send(invocation(i, i));
  await client.until(() => client.frames.at(-1)?.includes('"invocationId":"4999"'));
  expect(client.messages.map(({ result }) => result)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
});

it('a stream beyond maxOpenCalls is refused until another stream ends', async () => {
  await using world = await start({ limits: { maxOpenCalls: 5 } });
  const { client, neighbour } = world;
  const stream = (invocationId: string) => ({ type: 4, invocationId, target: 'wait', arguments: [] });
  for (let i = 0; i < 6; i++) client.send(stream(`${i}`));
  expect(await client.completion('5')).toMatchObject({
    error: 'The client exceeded maxOpenCalls (5).',
    headers: { 'hubline-code': 'limit_exceeded' },
  });
  client.send({ type: 5, invocationId: '0' });
  await client.completion('0');
  client.send(stream('6'));
  await client.until(() => client.items('6').length === 1);
  neighbour.send(stream('0'));
  await neighbour.until(() => neighbour.items('0').length === 1);
});

it('a stream is refused if the arguments of all open streams hold more than maxQueuedBytes', async () => {
  await using world = await start({ limits: { maxQueuedBytes: 100_000 } });
  const { client } = world;
  const stream = (invocationId: string) => ({ type: 4, invocationId, target: 'wait', arguments: [], headers: { x: 'x'.repeat(20_000) } });
  for (let i = 0; i < 5; i++) client.send(stream(`${i}`));
  expect((await client.completion('2')).error).toBe('The client exceeded maxQueuedBytes (100000).');
  expect([client.items('0'), client.items('1')]).toEqual([[1], [1]]);
  expect((await client.call('echo', 1)).result).toBe(1);
});

it('a client that does not read is disconnected, and another client gets all messages', async () => {
  await using world = await start({ limits: { maxBufferedBytes: 100_000 } });
  const { client, neighbour } = world;
  client.pause();
  let sent = 0;
  const text = 'x'.repeat(50_000);
  while (world.ended.length === 0) {
    await world.hub.clients.all.send.said(text);
    sent++;
    await neighbour.until(() => neighbour.frames.length > sent);
    expect(sent).toBeLessThan(1000); // the buffers of the kernel are smaller
  }
  expect(world.ended[0]).toMatchObject({ code: 'slow_consumer', error: { code: 'slow_consumer', details: { limitBytes: 100_000 } } });
  expect(neighbour.frames).toHaveLength(sent + 1);
  expect((await neighbour.call('echo', 'fine')).result).toBe('fine');
  client.resume();
  await client.closed;
});

it('one message larger than maxBufferedBytes is sent to a client that reads', async () => {
  await using world = await start({ limits: { maxBufferedBytes: 1000 } });
  expect((await world.client.call('big', 5_000_000)).result).toHaveLength(5_000_000);
  expect((await world.client.call('echo', 1)).result).toBe(1);
});

it('a join beyond maxGroups is refused until the connection leaves a group', async () => {
  await using world = await start({ limits: { maxGroups: 3 } });
  const { hub, client } = world;
  const id = (await client.call('id')).result as string;
  await Promise.all(['a', 'b', 'c'].map((group) => hub.groups.add(id, group)));
  await hub.groups.add(id, 'c'); // the connection is in this group already
  await expect(hub.groups.add(id, 'd')).rejects.toMatchObject({ code: 'limit_exceeded', details: { limit: 'maxGroups', max: 3 } });
  await hub.groups.remove(id, 'a');
  await hub.groups.add(id, 'd');
  expect([...(await hub.presence.groupsOf(id))].sort()).toEqual(['b', 'c', 'd']);
});

it.each([
  { limits: { maxMessageBytes: 0 } },
  { limits: { maxParallelCalls: -1 } },
  { limits: { uploadCapacity: Number.NaN } },
  { timeouts: { keepAliveMs: 0 } },
  { timeouts: { handshakeMs: '5' as unknown as number } },
])('createHubServer refuses invalid limits and time limits: %j', (options) => {
  expect(() => createHubServer(options)).toThrow(expect.objectContaining({ code: 'invalid_option' }));
});
