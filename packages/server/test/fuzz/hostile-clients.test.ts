import { connect } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer, HublineError, jsonCodec } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { heapInUse } from '../heap.ts';
import { HANDSHAKE, HttpClient, record } from '../http-client.ts';
import { RawClient, upgradeLines } from '../raw-client.ts';
import { campaign } from './campaign.ts';
import type { Random } from './random.ts';
import { writeMessagePack } from './reference-messagepack.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  join(group: string): Promise<void>;
  fail(which: number): Promise<void>;
  broken(which: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<unknown>): Promise<number>;
  ask(): Promise<unknown>;
  askAll(): Promise<number>;
  wait(): Promise<void>;
}
interface Receiver {
  confirm(): Promise<unknown>;
}
const contract = defineHub<Calls, Receiver>('hostile', { broken: 'stream', sum: { uploads: 1 } });
const MEBIBYTE = 1024 * 1024;

/** Values that user code may throw, although none is a proper error. */
const ODD: readonly (() => unknown)[] = [
  () => Object.create(null) as unknown,
  () => undefined,
  () => Symbol('odd'),
  () => ({ get message(): string { throw new Error('a getter') } }), // prettier-ignore
  () => Object.defineProperty(new Error('x'), 'message', { get: () => { throw new Error('a getter'); } }), // prettier-ignore
  () => Object.assign(new Error('x'), { name: 1n }),
  () => new Proxy({}, { get: () => { throw new Error('a trap'); } }), // prettier-ignore
  () => {
    const details: Record<string, unknown> = {};
    details.self = details;
    return new HublineError('hub_error', 'circular', details);
  },
];

/** Waits this many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function openHostileWorld() {
  let authentications = 0;
  const server = createHubServer({
    protocols: [jsonCodec, messagePack()],
    limits: { maxConnectionsPerAddress: 100_000, maxHandshakesPerSecond: 100_000, maxHandshakesPerSecondPerAddress: 100_000 },
    timeouts: { callMs: 500, closeMs: 500, disconnectMs: 500 },
  });
  server.on('error', () => undefined); // errors of methods are part of the test
  const hub = server.hub(contract, {
    path: '/hub',
    authenticate: async () => {
      await turns(authentications++ % 3);
      return {};
    },
    methods: {
      echo: async (_ctx, value) => value,
      join: (ctx, group) => ctx.groups.add(group),
      fail: async (_ctx, which) => {
        throw ODD[which]?.();
      },
      async *broken(_ctx, which) {
        yield 1;
        throw ODD[which]?.();
      },
      async sum(_ctx, numbers) {
        let count = 0;
        for await (const _ of numbers) count++;
        return count;
      },
      ask: (ctx) => ctx.clients.caller.invoke.confirm(),
      askAll: async (): Promise<number> => (await hub.clients.all.with({ timeoutMs: 300 }).invokeAll.confirm()).items.length,
      wait: () => turns(100),
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  const innocent = await RawClient.open(port);
  let called = 0;
  const serves = async (): Promise<void> => {
    innocent.frames.length = 1;
    expect((await innocent.call('echo', ++called)).result).toBe(called);
  };
  const settled = async (): Promise<number> => {
    await expect.poll(() => server.health().connections, { timeout: 30_000 }).toBe(1);
    await serves();
    return heapInUse();
  };
  const close = async (): Promise<void> => {
    await innocent[Symbol.asyncDispose]();
    await server.close();
  };
  return { port, url: `http://127.0.0.1:${port}/hub`, serves, settled, close };
}

let world: Awaited<ReturnType<typeof openHostileWorld>>;
beforeAll(async () => void (world = await openHostileWorld()));
afterAll(() => world.close());

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const call = (target: string, args: string, more = ''): string =>
  `{"type":1,"invocationId":"1","target":"${target}","arguments":${args}${more}}\u001e`;
const isOver = (client: RawClient): boolean => client.socket.readyState === client.socket.CLOSED;

/** Sends bytes, and waits for a message or the end. */
async function say(client: RawClient, text: string): Promise<void> {
  client.socket.send(text);
  await client.until(() => isOver(client) || client.messages.some(({ type }) => type === 3 || type === 7)).catch(() => undefined);
}

const KINDS: Readonly<Record<string, (random: Random) => Promise<void>>> = {
  async depth(random) {
    await using client = await RawClient.open(world.port);
    const value = nested(1 + random.below(10_000));
    const where = random.pick(['argument', 'item', 'answer', 'header']);
    if (where === 'argument') return say(client, call('echo', `[${value}]`));
    if (where === 'header') return say(client, call('echo', '[1]', `,"headers":${value}`));
    if (where === 'item')
      return say(client, call('sum', '[]', ',"streamIds":["u"]') + `{"type":2,"invocationId":"u","item":${value}}\u001e`);
    client.send({ type: 1, invocationId: '1', target: random.pick(['ask', 'askAll']), arguments: [] });
    const question = await client.until(() => client.messages.find(({ target }) => target === 'confirm'));
    await say(client, `{"type":3,"invocationId":"${String(question.invocationId)}","result":${value}}\u001e`);
  },
  async 'depth over MessagePack'(random) {
    await using client = await RawClient.open(world.port, { handshake: { protocol: 'messagepack', version: 1 } });
    let value: unknown = 1;
    for (let i = random.below(500); i > 0; i--) value = [value];
    const body = writeMessagePack([1, {}, '1', 'echo', [value], []], () => 0);
    const size = Buffer.from(body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7]);
    client.socket.send(Buffer.concat([size, body]));
    await client.until(() => client.frames.length > 1);
  },
  async names(random) {
    await using client = await RawClient.open(world.port);
    const name = random.pick<unknown>([['admins'], {}, 7, null, '', 'x'.repeat(20_000), '\ud800', '{}:*', '__proto__', true, [[[]]]]);
    await say(client, call('join', JSON.stringify([name])));
  },
  async counts(random) {
    await using client = await RawClient.open(world.port);
    const streamIds = Array.from({ length: random.below(5000) }, () => `${random.below(100)}`);
    const args = Array.from({ length: random.below(3) === 0 ? random.below(8000) : 0 }, () => 0);
    const headers = Object.fromEntries(Array.from({ length: random.below(500) }, (_none, i) => [`h${i}`, 'x']));
    const target = random.pick(['sum', 'echo', 'nope', 'constructor']);
    client.send(
      ...Array.from({ length: 1 + random.below(50) }, () => ({ type: 1, invocationId: '1', target, arguments: args, streamIds })),
    );
    await say(client, call('echo', '[1]', `,"headers":${JSON.stringify(headers)}`));
  },
  async 'odd throwables'(random) {
    await using client = await RawClient.open(world.port);
    const which = random.below(ODD.length);
    if (random.chance(0.5)) client.send({ type: 4, invocationId: '1', target: 'broken', arguments: [which] });
    else client.send({ type: 1, invocationId: '1', target: 'fail', arguments: [which] });
    expect((await client.completion('1')).error).toBeDefined();
  },
  async bursts(random) {
    await using client = await RawClient.open(world.port);
    const count = 1 + random.below(8000);
    const [start, end] = [
      { type: 1, invocationId: '1', target: 'sum', arguments: [], streamIds: ['u'] },
      { type: 3, invocationId: 'u' },
    ];
    const messages = [start, ...Array.from({ length: count }, () => ({ type: 2, invocationId: 'u', item: {} })), end];
    if (random.chance(0.5)) client.send(...messages);
    else for (const message of messages) client.send(message);
    expect((await client.completion('1')).result).toBe(count);
  },
  async floods(random) {
    await using client = await RawClient.open(world.port);
    const piece = random.pick(['{}', '0', '"x"', '[]', 'null', '{"a":[]}']);
    const args = `[[${Array(3000).fill(piece).join()}]]`;
    for (let i = 0; i < 100; i++) client.socket.send(call(random.pick(['wait', 'ask', 'echo']), args).replace('"invocationId":"1",', ''));
    await world.serves();
  },
  async 'aborts over WebSockets'(random) {
    const socket = connect(world.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const handshake = maskedText(HANDSHAKE);
    const steps = [
      upgradeLines('/hub'),
      handshake,
      maskedText(call('ask', '[]')),
      maskedText(call('wait', '[]')),
      maskedText(call('echo', '[1]')),
    ];
    const bytes = Buffer.concat(steps.map((step) => Buffer.from(step)));
    const end = random.below(bytes.length);
    socket.write(bytes.subarray(0, end));
    await turns(random.below(20));
    if (random.chance(0.5)) socket.resetAndDestroy();
    else socket.destroy();
  },
  async 'aborts over HTTP'(random) {
    const client = await HttpClient.negotiate(world.url);
    const isStream = random.chance(0.5);
    const abort = new AbortController();
    const give = { signal: abort.signal };
    const steps = [
      () => (isStream ? fetch(client.url, { ...give, headers: { accept: 'text/event-stream' } }) : client.poll(give)),
      () => client.post(HANDSHAKE, give),
      () => (isStream ? Promise.resolve() : client.poll(give)),
      () => client.post(record({ type: 1, invocationId: '1', target: 'ask', arguments: [] }), give),
    ];
    const last = random.below(steps.length);
    for (const step of steps.slice(0, last)) await step();
    const going = steps[last]!().catch(() => undefined);
    await turns(random.below(20));
    abort.abort();
    await going;
  },
};

/** A text frame of a client whose mask is zeros. */
function maskedText(text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.of(0x81, 0x80 | body.length, 0, 0, 0, 0), body]);
}

it(
  'a well-behaved client is served within bounds of memory, whatever other clients send, throw and break off',
  { timeout: 3_600_000 },
  async () => {
    const { cases, random, attempt } = campaign('hostile clients', 4);
    const kinds = Object.entries(KINDS);
    await world.serves();
    let warmHeap = 0;
    for (let i = 0; i < cases; i++) {
      const numbers = random(i);
      const [kind, run] = numbers.pick(kinds);
      await attempt(i, kind, async () => {
        await run(numbers);
        await world.serves();
      });
      expect(process.memoryUsage().heapUsed / MEBIBYTE).toBeLessThan(400);
      if (i === Math.floor(cases / 4)) warmHeap = await world.settled();
    }
    expect(((await world.settled()) - warmHeap) / MEBIBYTE).toBeLessThan(8);
  },
);
