import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { createHubServer, type RawConnection } from '@hubline/server';
import { expect, it } from 'vitest';
import { heapInUse } from './heap.ts';
import { HttpClient } from './http-client.ts';
import { start } from './http-world.ts';

const MEBIBYTE = 1024 * 1024;
const POSTS = 12;
/** Node reads up to 16 KiB of a body before it is wanted (Node 20), so that all of these bytes arrive. */
const BYTES = 16_000;
const TINY_CHUNKS = Buffer.from('1\r\na\r\n'.repeat(BYTES) + '0\r\n\r\n');

/** Collects the requests that Node hands over. */
function requests(): Disposable & { readonly all: IncomingMessage[] } {
  const all: IncomingMessage[] = [];
  const add = (message: unknown): void => void all.push((message as { request: IncomingMessage }).request);
  subscribe('http.server.request.start', add);
  return { all, [Symbol.dispose]: () => unsubscribe('http.server.request.start', add) };
}

/** A connection handler that takes bytes when the gate opens. */
function gated() {
  let taken = 0;
  let pass: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (pass = resolve));
  const handler = async (connection: RawConnection): Promise<void> => {
    for await (const chunk of connection) {
      await gate;
      taken += chunk.length;
    }
  };
  return { handler, pass, taken: () => taken };
}

/** Opens a client with three POSTs for a handler that takes nothing yet: two are answered, the third waits. */
async function waiting() {
  const { handler, pass, taken } = gated();
  const world = await start({ limits: { uploadCapacity: 1 } });
  world.server.connectionHandler('/raw', handler);
  const client = await HttpClient.negotiate(`${world.origin}/raw`);
  await client.poll();
  const arrived = requests();
  const held = ['1', '2', '3'].map((text) => client.post(text));
  await Promise.all(held.slice(0, 2));
  await expect.poll(() => arrived.all.length).toBe(3);
  const close = async (): Promise<void> => {
    arrived[Symbol.dispose]();
    await world[Symbol.asyncDispose]();
  };
  return { client, pass, taken, arrived: arrived.all, held, [Symbol.asyncDispose]: close };
}

async function statusOf(socket: Socket): Promise<string> {
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString().split('\r\n')[0]!;
}

it.each(['its turn', '`authenticate`'])(
  'POSTs that wait for %s take the memory of their bytes, in chunks of any size',
  { timeout: 60_000 },
  async (what) => {
    const { handler, pass, taken } = gated();
    let isSlow = false;
    let admit: () => void = () => undefined;
    const admitted = new Promise<void>((resolve) => (admit = resolve));
    await using world = await start({ limits: { uploadCapacity: 1 } });
    world.server.connectionHandler('/raw', handler, { authenticate: () => (isSlow ? admitted.then(() => ({})) : {}) });
    const client = await HttpClient.negotiate(`${world.origin}/raw`);
    await client.poll();
    using before = requests();
    const held = what === 'its turn' ? ['1', '2', '3'].map((text) => client.post(text)) : [];
    isSlow = what !== 'its turn';
    await Promise.all(held.slice(0, 2));
    await expect.poll(() => before.all.length).toBe(held.length);
    using arrived = requests();
    const sockets = await Promise.all(
      Array.from({ length: POSTS }, () => client.raw('POST', { headers: { 'transfer-encoding': 'chunked' } })),
    );
    await expect.poll(() => arrived.all.length).toBe(POSTS);
    const heap = heapInUse();
    for (const socket of sockets) socket.write(TINY_CHUNKS);
    await expect.poll(() => arrived.all.every(({ complete }) => complete), { timeout: 30_000 }).toBe(true);
    expect(arrived.all.map(({ readableLength }) => readableLength)).toEqual(sockets.map(() => BYTES));
    expect(heapInUse() - heap).toBeLessThan(8 * MEBIBYTE);
    admit();
    pass();
    expect(await Promise.all(sockets.map(statusOf))).toEqual(sockets.map(() => 'HTTP/1.1 200 OK'));
    await Promise.all(held);
    await expect.poll(taken).toBe(held.length + POSTS * BYTES);
  },
);

it("POSTs without an end are read until Node's queue is full", { timeout: 60_000 }, async () => {
  await using world = await start({ limits: { uploadCapacity: 1 } });
  let admit: () => void = () => undefined;
  const admitted = new Promise<void>((resolve) => (admit = resolve));
  let isSlow = false;
  world.server.connectionHandler('/raw', gated().handler, { authenticate: () => (isSlow ? admitted.then(() => ({})) : {}) });
  const client = await HttpClient.negotiate(`${world.origin}/raw`);
  isSlow = true;
  using arrived = requests();
  const headers = { 'transfer-encoding': 'chunked' };
  const sockets = await Promise.all(Array.from({ length: 4 }, () => client.raw('POST', { headers })));
  await expect.poll(() => arrived.all.length).toBe(4);
  const heap = heapInUse();
  for (const socket of sockets) {
    socket.on('error', () => undefined); // the sockets are reset in the end
    for (let part = 0; part < 10; part++) socket.write(TINY_CHUNKS.subarray(0, -5));
  }
  await expect.poll(() => arrived.all.every(({ socket }) => socket.isPaused()), { timeout: 30_000 }).toBe(true);
  expect(heapInUse() - heap).toBeLessThan(3 * MEBIBYTE);
  admit();
  for (const socket of sockets) socket.destroy();
});

it('POSTs of one connection that wait hold 1 MiB together, a socket beyond that is cut, and the waiting ones are taken', async () => {
  await using world = await waiting();
  const { client, pass, taken, arrived } = world;
  const bytes = 60_000;
  const count = 60;
  const length = { 'content-length': String(bytes) };
  const sockets = await Promise.all(Array.from({ length: count }, () => client.raw('POST', { headers: length })));
  const answers = new Map<Socket, string>();
  let cut = 0;
  for (const socket of sockets) {
    socket.on('data', (text: Buffer) => answers.set(socket, text.toString().slice(0, 15)));
    socket.on('error', () => undefined); // a reset is also an answer, and `close` follows
    socket.on('close', () => cut++);
    socket.write(Buffer.alloc(bytes, 'a'));
  }
  await expect.poll(() => cut).toBeGreaterThan(0);
  expect(arrived.reduce((sum, { destroyed, readableLength }) => sum + (destroyed ? 0 : readableLength), 0)).toBeLessThanOrEqual(MEBIBYTE);
  pass();
  await expect.poll(() => cut + answers.size, { timeout: 10_000 }).toBe(count);
  expect(new Set(answers.values())).toEqual(new Set(['HTTP/1.1 200 OK']));
  expect(taken()).toBe('123'.length + answers.size * bytes);
  for (const socket of sockets) socket.destroy();
});

it('a POST that waited is taken whole', async () => {
  await using world = await waiting();
  const { client, pass, taken, arrived, held } = world;
  const posts = Array.from({ length: 3 }, () => client.post(new Uint8Array(400_000)));
  await expect.poll(() => arrived.filter((request) => request.readableLength >= request.readableHighWaterMark).length).toBe(3);
  pass();
  for (const post of [...held, ...posts]) expect((await post).status).toBe(200);
  await expect.poll(taken).toBe('123'.length + 3 * 400_000);
});

it('a POST over HTTP/2 that waited is taken whole', async () => {
  const { handler, pass, taken } = gated();
  const server = createHubServer({ limits: { uploadCapacity: 1 } });
  server.connectionHandler('/raw', handler);
  const http = createServer();
  server.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const session = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const ask = async (method: string, path: string, body?: readonly Buffer[]): Promise<{ status: unknown; text: string }> => {
    const stream = session.request({ ':method': method, ':path': path }, { endStream: false });
    for (const part of body ?? []) stream.write(part);
    stream.end();
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    let text = '';
    for await (const part of stream) text += String(part);
    return { status: headers[':status'], text };
  };
  const { connectionToken } = JSON.parse((await ask('POST', '/raw/negotiate?negotiateVersion=1')).text) as { connectionToken: string };
  const path = `/raw?id=${connectionToken}`;
  expect((await ask('GET', path)).status).toBe(200);
  for (const text of ['1', '2']) expect((await ask('POST', path, [Buffer.from(text)])).status).toBe(200);
  let arrived = 0;
  http.on('stream', () => arrived++);
  const posts = Array.from({ length: 3 }, () =>
    ask(
      'POST',
      path,
      Array.from({ length: 200 }, () => Buffer.alloc(1000)),
    ),
  );
  await expect.poll(() => arrived).toBe(3);
  pass();
  expect((await Promise.all(posts)).map(({ status }) => status)).toEqual([200, 200, 200]);
  await expect.poll(taken).toBe('12'.length + 3 * 200_000);
  session.close();
  http.close();
  await server.close({ graceMs: 0 });
});
