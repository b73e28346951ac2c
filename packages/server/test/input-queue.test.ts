import { defineHub, type Wire } from '@hubline/protocol';
import { createHubServer, jsonCodec, type HubServerOptions } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { until } from '@hubline/testing';
import { expect, it } from 'vitest';
import { heapInUse } from './heap.ts';
import { HttpClient, record } from './http-client.ts';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  hit(): Promise<void>;
  slow(value: unknown): Promise<void>;
  asked(value: unknown): Promise<boolean>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
  asking(numbers: AsyncIterable<unknown>): Promise<string>;
}
interface Receiver {
  confirm(): Promise<boolean>;
}
const contract = defineHub<Calls, Receiver>('intake', { sum: { uploads: 1 }, asking: { uploads: 1 } });
const MEBIBYTE = 1024 * 1024;

async function start(options: HubServerOptions = {}, clock?: TestClock) {
  const server = createHubServer({ protocols: [jsonCodec, messagePack()], ...options }, clock);
  let hits = 0;
  let pass: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (pass = resolve));
  server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      hit: async () => void hits++,
      slow: () => gate,
      asked: (ctx) => ctx.clients.caller.invoke.confirm(),
      async sum(_ctx, numbers) {
        let sum = 0;
        for await (const number of numbers) sum += number;
        return sum;
      },
      async asking(ctx, items) {
        const answer = await ctx.clients.caller
          .with({ timeoutMs: 1000 })
          .invoke.confirm()
          .then(String, (error: Error & { code: string }) => error.code);
        let taken = 0;
        for await (const _ of items) taken++;
        return `${answer}, then ${taken}`;
      },
    },
  });
  return { server, ...(await listenAndConnect(server)), hits: () => hits, pass };
}

const call = (invocationId: string, target: string, ...args: readonly unknown[]) => ({ type: 1, invocationId, target, arguments: args });
const upload = (invocationId: string, target: string, streamId: string) => ({ ...call(invocationId, target), streamIds: [streamId] });
const item = (invocationId: string, value: unknown) => ({ type: 2, invocationId, item: value });
const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_none, at) => make(at));

it.each(['one WebSocket message', 'many'])(
  'the server handles an upload of 5,000 small items that are sent in a loop, in %s',
  async (how) => {
    await using world = await start();
    const { client } = world;
    const messages = [upload('1', 'sum', 'u'), ...times(5000, (i) => item('u', i)), { type: 3, invocationId: 'u' }];
    if (how === 'many') for (const message of messages) client.send(message);
    else client.send(...messages);
    expect((await client.completion('1')).result).toBe((5000 * 4999) / 2);
  },
);

it('the server handles an upload of 5,000 small items over MessagePack', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port, { handshake: { protocol: 'messagepack', version: 1 } });
  const framed = (...body: number[]): number[] => [body.length, ...body];
  const [u, sum] = [
    [0xa1, 0x75],
    [0xa3, ...Buffer.from('sum')],
  ];
  const items = times(5000, () => framed(0x94, 2, 0x80, ...u, 7)).flat();
  client.socket.send(
    Buffer.from([...framed(0x96, 1, 0x80, 0xa1, 0x31, ...sum, 0x90, 0x91, ...u), ...items, ...framed(0x94, 3, 0x80, ...u, 2)]),
  );
  await client.until(() => client.frames.length > 1);
  const completion = [0x95, 3, 0x80, 0xa1, 0x31, 3, 0xcd, 0x88, 0xb8];
  expect(Buffer.from(client.bytes.at(-1)!)).toEqual(Buffer.from(framed(...completion))); // 35,000
});

it.each(['one WebSocket message', 'many'])('the server handles 10,000 calls of one turn, in %s', async (how) => {
  await using world = await start();
  const { client } = world;
  const calls = times(10_000, (i) => call(`${i}`, 'hit'));
  if (how === 'many') for (const each of calls) client.send(each);
  else client.send(...calls);
  await client.until(() => client.frames.at(-1)?.includes('"9999"'));
  expect(world.hits()).toBe(10_000);
});

it('the server handles 110 calls of 10 kB in one WebSocket message', async () => {
  await using world = await start();
  const { client } = world;
  client.send(...times(110, (i) => call(`${i}`, 'echo', 'x'.repeat(10_000))));
  await client.until(() => client.frames.at(-1)?.includes('"109"'));
  expect(client.messages).toHaveLength(110);
});

it('the server handles the body of a POST in portions, with thousands of messages', async () => {
  await using world = await start();
  const client = await HttpClient.polling(`http://127.0.0.1:${world.port}/hub`);
  const posted = client.post(times(6000, (i) => record(call(`${i}`, 'hit'))).join(''));
  let answer = '';
  while (!answer.includes('"5999"')) answer += await (await client.poll()).text();
  expect((await posted).status).toBe(200);
  expect(world.hits()).toBe(6000);
});

it('the server handles everything that a client sends before it disconnects', async () => {
  await using world = await start();
  const { client } = world;
  client.send(...times(10_000, () => ({ type: 1, target: 'hit', arguments: [] })));
  client.socket.close(1000);
  await client.closed;
  await expect.poll(world.hits).toBe(10_000);
  await expect.poll(() => world.server.health().connections).toBe(0);
});

it('the server handles calls that arrive together with the end of the connection', async () => {
  await using world = await start();
  const network = world.server.inMemory;
  const leave = new AbortController();
  const answers: Wire[] = [];
  const pipe = await network.open({
    url: new URL(network.pathOf('intake'), 'http://host'),
    signal: leave.signal,
    receive: (wire) => void answers.push(wire),
  });
  pipe.send(record({ protocol: 'json', version: 1 }));
  await until(() => answers.length === 1);
  for (let i = 0; i < 100; i++) pipe.send(record({ type: 1, target: 'hit', arguments: [] }));
  leave.abort();
  await expect.poll(world.hits).toBe(100);
});

it.each([
  ['a Close', JSON.stringify({ type: 7 })],
  ['an invalid message', '{'],
])('the server handles and answers all calls that precede %s in its portion', async (_what, last) => {
  await using world = await start();
  const { client } = world;
  const sends = times(100, () => record({ type: 1, target: 'hit', arguments: [] })).join('');
  client.socket.send(`${sends}${record(call('last', 'echo', 'answer'))}${last}\u001e${sends}`);
  await client.closed;
  expect(world.hits()).toBe(100);
  expect(client.messages.map(({ type }) => type)).toEqual([3, 7]);
});

it('the server does not wait for a call that runs when its client sends a Close', async () => {
  await using world = await start();
  const { client } = world;
  client.send(call('1', 'slow', 1), call('2', 'hit'), { type: 7 });
  await client.closed;
  expect(world.hits()).toBe(0);
});

it('the server opens no upload for a call with the wrong number of streams', async () => {
  await using world = await start();
  const { client } = world;
  const before = heapInUse();
  client.send(call('first', 'slow', 1));
  const streamIds = times(4000, (i) => `${i}`);
  for (let i = 0; i < 100; i++) client.send({ ...call(`${i}`, i % 2 === 0 ? 'sum' : 'hit'), streamIds });
  await using neighbour = await RawClient.open(world.port);
  for (let i = 0; i < 20; i++) await neighbour.call('echo', i);
  expect((heapInUse() - before) / MEBIBYTE).toBeLessThan(10); // and not 400,000 streams
  world.pass();
  expect((await client.completion('98')).error).toBe('Client sent 4000 stream(s), Hub method expects 1.');
  expect((await client.completion('99')).error).toBe('Client sent 4000 stream(s), Hub method expects 0.');
});

it('the server reads the result of a client behind much that the client sent before it', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'asking', 'u'));
  const question = await client.until(() => client.messages.find(({ target }) => target === 'confirm'));
  client.send(...times(4000, (i) => item('u', i)));
  client.send({ type: 3, invocationId: question.invocationId, result: true }, { type: 3, invocationId: 'u' });
  expect((await client.completion('1')).result).toBe('true, then 4000');
});

it('the server holds at most twice the budget for a client that owes a result, and reads on after the call', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'asking', 'u'));
  const question = await client.until(() => client.messages.find(({ target }) => target === 'confirm'));
  const before = heapInUse();
  const part = times(3000, () => ({}));
  for (let i = 0; i < 200; i++) client.send(item('u', part)); // some 50 MB of decoded values
  client.send({ type: 3, invocationId: question.invocationId, result: true }, { type: 3, invocationId: 'u' });
  await using neighbour = await RawClient.open(world.port);
  for (let i = 0; i < 50; i++) await neighbour.call('echo', i);
  expect((heapInUse() - before) / MEBIBYTE).toBeLessThan(10);
  expect((await client.completion('1')).result).toBe('call_timeout, then 200');
  expect((await client.call('echo', 'well')).result).toBe('well');
});

it('the server runs at most maxOpenCalls calls that call their caller, and drops none', async () => {
  await using world = await start({ limits: { maxOpenCalls: 10 } });
  const { client } = world;
  for (let i = 0; i < 100; i++) client.send(call(`${i}`, 'asked', 'x'.repeat(2000)));
  const questions = () => client.messages.filter(({ target }) => target === 'confirm');
  await client.until(() => questions().length === 10);
  await using neighbour = await RawClient.open(world.port);
  for (let i = 0; i < 20; i++) await neighbour.call('echo', i);
  expect(questions().length).toBe(10);
  for (let answered = 0; answered < 100; answered++) {
    const { invocationId } = await client.until(() => questions()[answered]);
    client.send({ type: 3, invocationId, result: true });
  }
  await client.until(() => client.messages.filter(({ type, result }) => type === 3 && result === true).length === 100);
});

it('the server bounds the arguments of calls that call their caller', async () => {
  await using world = await start({ limits: { maxQueuedBytes: 200_000 } });
  const { client } = world;
  for (let i = 0; i < 100; i++) client.send(call(`${i}`, 'asked', 'x'.repeat(20_000)));
  await using neighbour = await RawClient.open(world.port);
  for (let i = 0; i < 20; i++) await neighbour.call('echo', i);
  expect(client.messages.filter(({ target }) => target === 'confirm').length).toBe(5);
});

it('the server handles other clients between the portions of a large message', async () => {
  await using world = await start();
  const { client } = world;
  await using flooder = await RawClient.open(world.port);
  flooder.send(...times(20_000, () => ({ type: 1, target: 'hit', arguments: [] })));
  const seen: number[] = [];
  while (world.hits() < 20_000) {
    await client.call('echo', 1);
    seen.push(world.hits());
  }
  const steps = seen.map((hits, i) => hits - (seen[i - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThan(5000);
});

it('the server reads a client above maxMessagesPerSecond more slowly, and drops no message', async () => {
  const clock = new TestClock();
  await using world = await start({ limits: { maxMessagesPerSecond: 100 } }, clock);
  await using flooder = await RawClient.open(world.port);
  flooder.send(...times(1000, () => ({ type: 1, target: 'hit', arguments: [] })));
  for (let i = 0; i < 20; i++) await world.client.call('echo', i);
  expect(world.hits()).toBeGreaterThan(100);
  expect(world.hits()).toBeLessThan(500);
  await clock.advance(3000);
  for (let i = 0; i < 20; i++) await world.client.call('echo', i);
  expect(world.hits()).toBeLessThan(800);
  await clock.advance(8000);
  await expect.poll(world.hits).toBe(1000);
});

it('the server reads a client above maxBytesPerSecond more slowly, and drops no message', async () => {
  const clock = new TestClock();
  await using world = await start({ limits: { maxBytesPerSecond: 100_000 } }, clock);
  await using flooder = await RawClient.open(world.port);
  flooder.send(...times(100, () => ({ type: 1, target: 'hit', arguments: [], headers: { x: 'x'.repeat(10_000) } })));
  for (let i = 0; i < 20; i++) await world.client.call('echo', i);
  expect(world.hits()).toBeGreaterThan(5);
  expect(world.hits()).toBeLessThan(15);
  await clock.advance(10_000);
  await expect.poll(world.hits).toBe(100);
});

it.each(['{"type":99}\u001e', '{"type":6}\u001e'])('the server reads a flood of %s more slowly', async (message) => {
  const clock = new TestClock();
  await using world = await start({ limits: { maxMessagesPerSecond: 1000 } }, clock);
  await using flooder = await RawClient.open(world.port, { handshake: { protocol: 'json', version: 1 } });
  for (let i = 0; i < 100; i++) flooder.socket.send(message.repeat(5000));
  flooder.send({ type: 1, target: 'hit', arguments: [] });
  for (let i = 0; i < 100; i++) await world.client.call('echo', i);
  expect(world.hits()).toBe(0);
});

it('the server reads a flood of WebSocket pings more slowly, and answers only the last of each read', async () => {
  const clock = new TestClock();
  await using world = await start({ limits: { maxMessagesPerSecond: 1000 } }, clock);
  await using flooder = await RawClient.open(world.port);
  let pongs = 0;
  flooder.socket.on('pong', () => pongs++);
  for (let i = 0; i < 100_000; i++) flooder.socket.ping('x');
  flooder.send({ type: 1, target: 'hit', arguments: [] });
  for (let i = 0; i < 100; i++) await world.client.call('echo', i);
  expect(world.hits()).toBe(0);
  expect(pongs).toBeLessThan(1000);
});
