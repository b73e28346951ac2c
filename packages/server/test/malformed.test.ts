import { connect } from 'node:net';
import fc from 'fast-check';
import { createHubServer, defineHub } from '@hubline/server';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RawClient, requestLines, upgradeLines } from './raw-client.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  count(to: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
}
const contract = defineHub<Calls>('malformed', { count: 'stream', sum: { uploads: 1 } });
const END = '\u001e';
/** What may end a connection whose client broke the rules: goodbyes, the wrong frame, the wrong bytes, too much, a cut. */
const CLOSES = [1000, 1002, 1005, 1006, 1007, 1009];
const CODES = ['invalid_message', 'message_too_large', 'limit_exceeded'];

const server = createHubServer();
const errors: unknown[] = [];
let port = 0;
let witness: RawClient;
let called = 0;
let runs = 0;

beforeAll(async () => {
  server.on('error', (...error) => errors.push(error));
  server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      async *count(_ctx, to) {
        for (let i = 0; i < Math.min(to, 10); i++) yield i;
      },
      async sum(_ctx, numbers) {
        let sum = 0;
        for await (const n of numbers) sum += Number(n);
        return sum;
      },
    },
  });
  port = await server.listen(0, '127.0.0.1');
  witness = await RawClient.open(port);
});

afterAll(async () => {
  await witness[Symbol.asyncDispose]();
  await server.close();
});

/** Somebody who behaves is served all the while, and nothing was our fault. */
async function stillServes(): Promise<void> {
  if (runs++ % 5 > 0) return;
  witness.frames.length = 1;
  expect((await witness.call('echo', ++called)).result).toBe(called);
  expect(errors).toEqual([]);
}

/** A few random changes to something valid; or something random. */
function mutated(valid: readonly string[]): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(200),
    remove: fc.nat(6),
    insert: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.constantFrom('"', '{', '}', '[', ']', ':', ',', END, '\\u0000', 'null', '-1', '1e999', '__proto__', '"streamIds":["x"],'),
    ),
  });
  const mutation = fc.tuple(fc.constantFrom(...valid), fc.array(change, { maxLength: 3 })).map(([text, changes]) =>
    changes.reduce((mutant, { at, remove, insert }) => {
      const from = at % (mutant.length + 1);
      return mutant.slice(0, from) + insert + mutant.slice(from + remove);
    }, text),
  );
  return fc.oneof({ weight: 5, arbitrary: mutation }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 100 }) });
}

/** Writes bytes, says that this was all, and gives what comes back until the socket closes. */
function exchange(...pieces: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('error', () => undefined); // a reset is an answer, and `close` follows
    socket.on('close', () => resolve(answer));
    for (const piece of pieces) socket.write(piece);
    socket.end();
  });
}

it('answers every HTTP request with a status, or closes', async () => {
  const valid = [
    requestLines('POST', '/hub/negotiate?negotiateVersion=1', { 'content-length': '0' }),
    requestLines('OPTIONS', '/hub/negotiate', { origin: 'http://localhost', 'access-control-request-method': 'POST' }),
    requestLines('POST', '/hub?id=x', { 'content-length': '3' }) + 'abc',
    requestLines('GET', '/hub?id=x', { accept: 'text/event-stream' }),
    requestLines('GET', '/other?access_token=%41', { authorization: 'Bearer x', cookie: 'a=b' }),
    upgradeLines('/hub'),
    upgradeLines('/hub?id=x', { origin: 'http://localhost' }),
    upgradeLines('/other'),
  ];
  await fc.assert(
    fc.asyncProperty(mutated(valid), async (text) => {
      const answer = await exchange(text);
      if (answer) expect(answer).toMatch(/^HTTP\/1\.1 (101|200|204|400|403|404|405|408|409|413|414|417|431|501) /);
      await stillServes();
    }),
    { numRuns: 300 },
  );
}, 60_000);

it('answers every handshake, or closes', async () => {
  const valid = [
    '{"protocol":"json","version":1}',
    '{"protocol":"json","version":2,"hubline":1}',
    '{"protocol":"messagepack","version":1}',
  ];
  await fc.assert(
    fc.asyncProperty(mutated(valid), fc.boolean(), async (text, binary) => {
      const client = await RawClient.open(port, { handshake: null });
      client.socket.send(binary ? Buffer.from(text + END) : text + END);
      await client.until(() => client.records.length > 0).catch(() => undefined); // closed
      const [answer] = client.records;
      expect(answer ?? { error: '' }).toSatisfy((record: object) =>
        Object.keys(record).every((key) => key === 'error' || key === 'hubline'),
      );
      if (answer?.error === undefined) client.socket.terminate();
      else expect(CLOSES).toContain(await client.closed);
      await client[Symbol.asyncDispose]();
      await stillServes();
    }),
    { numRuns: 200 },
  );
}, 60_000);

it('answers every message, skips it, or says why it ends', async () => {
  const valid = [
    { type: 1, invocationId: '1', target: 'echo', arguments: [{ a: [1, null] }] },
    { type: 1, target: 'echo', arguments: [] },
    { type: 1, invocationId: '2', target: 'sum', arguments: [], streamIds: ['s'] },
    { type: 2, invocationId: 's', item: 1 },
    { type: 3, invocationId: 's' },
    { type: 3, invocationId: '7', error: 'x' },
    { type: 4, invocationId: '3', target: 'count', arguments: [5], headers: { 'hubline-credit': '2' } },
    { type: 5, invocationId: '3' },
    { type: 6 },
    { type: 7, error: 'bye' },
    { type: 8, sequenceId: 1 },
    { type: 9, sequenceId: 1 },
    { type: 64, invocationId: '3', credit: 3 },
    { type: 99, anything: true },
  ].map((message) => JSON.stringify(message) + END);
  let client = await RawClient.open(port);
  let ended = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(mutated(valid), { minLength: 1, maxLength: 4 }), fc.nat(), async (texts, n) => {
      client.frames.length = 1;
      client.socket.send(texts.join('') + END);
      client.send({ type: 1, invocationId: `m${n}`, target: 'echo', arguments: [n] });
      const answered = await client.completion(`m${n}`).catch(() => undefined);
      if (answered) {
        expect(answered.result).toBe(n);
      } else {
        ended++;
        expect(CLOSES).toContain(await client.closed);
        const goodbye = client.messages.at(-1);
        if (goodbye?.type === 7) expect(CODES).toContain(goodbye.code);
        await client[Symbol.asyncDispose]();
        client = await RawClient.open(port);
      }
      await stillServes();
    }),
    { numRuns: 700 },
  );
  expect(ended).toBeGreaterThan(50);
  await client[Symbol.asyncDispose]();
}, 120_000);

it('closes sockets that do not speak WebSocket after they said so', async () => {
  const masked = (opcode: number, text: string): Buffer => {
    const payload = Buffer.from(text);
    return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
  };
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.nat(15), fc.string({ maxLength: 100 })).map(([opcode, text]) => masked(opcode, text)),
    fc.constant(masked(1, `{"protocol":"json","version":1}${END}`)),
    fc.constant(masked(2, `{"type":6}${END}`)),
    fc.constant(Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 5 }), async (frames) => {
      expect(await exchange(upgradeLines('/hub'), ...frames)).toMatch(/^HTTP\/1\.1 101 /);
      await stillServes();
    }),
    { numRuns: 200 },
  );
  await expect.poll(() => server.health().connections).toBe(1);
}, 60_000);
