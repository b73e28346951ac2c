import { once } from 'node:events';
import type { RawConnection } from '@hubline/server';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { encodeFrame, Opcode, WireSocket } from './fuzz/wire.ts';
import { heapInUse } from './heap.ts';
import { HttpClient } from './http-client.ts';
import { start } from './http-world.ts';
import { RawClient } from './raw-client.ts';

type Handler = (connection: RawConnection) => void | Promise<void>;

async function serve(handler: Handler, options: Parameters<typeof start>[0] = {}) {
  const world = await start(options);
  world.server.connectionHandler('/raw', handler);
  return { ...world, raw: `${world.origin}/raw`, socket: `ws://127.0.0.1:${world.port}/raw` };
}

const echo: Handler = async (connection) => {
  for await (const chunk of connection) await connection.send(chunk);
};

/** Opens a WebSocket, and collects its messages and its close code. */
function listen(url: string) {
  const socket = new WebSocket(url);
  const received: (string | Buffer)[] = [];
  socket.on('error', () => undefined).on('message', (data: Buffer, isBinary) => received.push(isBinary ? data : data.toString()));
  return { socket, received, closed: once(socket, 'close').then(([code]) => Number(code)) };
}

it('a connection handler gets text and bytes of a WebSocket as such, and sends them so', async () => {
  await using world = await serve(echo);
  const { socket, received, closed } = listen(world.socket);
  await once(socket, 'open');
  socket.send('text');
  socket.send(Buffer.of(0, 255, 128));
  await expect.poll(() => received).toEqual(['text', Buffer.of(0, 255, 128)]);
  socket.close();
  expect(await closed).toBe(1000); // ASP.NET Core answers a close without a code so
});

it('a connection handler gets and sends bytes over long polling', async () => {
  await using world = await serve(echo);
  const client = await HttpClient.negotiate(world.raw);
  await client.poll();
  const bytes = Uint8Array.from({ length: 256 }, (_none, at) => at);
  await client.post(bytes);
  const answer = await client.poll();
  expect(answer.headers.get('content-type')).toBe('application/octet-stream');
  expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
});

it('a connection handler gets and sends text over server-sent events, also if a character is split over two posts', async () => {
  await using world = await serve(echo);
  const client = await HttpClient.negotiate(world.raw);
  await using events = await client.events();
  const bytes = Buffer.from('a😀b\nc');
  await client.post(bytes.subarray(0, 3));
  await client.post(bytes.subarray(3));
  const text = await events.until('c\r\n');
  const data = [...text.matchAll(/data: (.*)\r\n(\r\n)?/g)].map(([, line, end]) => line + (end ? '' : '\n')).join('');
  expect(data).toBe('a😀b\nc');
});

it.each(['WebSockets', 'ServerSentEvents', 'LongPolling'])(
  'a connection handler may send first and return at once, over %s',
  async (transport) => {
    await using world = await serve((connection) => void connection.send('hello'));
    if (transport === 'WebSockets') {
      const { received, closed } = listen(world.socket);
      expect(await closed).toBe(1000);
      expect(received).toEqual(['hello']);
      return;
    }
    const client = await HttpClient.negotiate(world.raw);
    if (transport === 'ServerSentEvents') {
      expect(await (await client.events()).end()).toBe(':\r\ndata: hello\r\n\r\n');
      return;
    }
    expect([await (await client.poll()).text(), await (await client.poll()).text()]).toEqual(['', 'hello']);
    expect((await client.poll()).status).toBe(204);
  },
);

it('a connection handler sees the connection id, the user and the request', async () => {
  await using world = await start();
  const seen: unknown[] = [];
  world.server.connectionHandler(
    '/raw',
    ({ connectionId, userId, request }) =>
      void seen.push([connectionId, userId, request.url.searchParams.get('room'), request.cookies['a']]),
    { authenticate: ({ token }) => ({ userId: token ?? 'nobody' }) },
  );
  const headers = { authorization: 'Bearer alice', cookie: 'a=b' };
  const client = await HttpClient.negotiate(`${world.origin}/raw`, headers);
  await fetch(`${client.url}&room=lobby`, { headers });
  await expect.poll(() => seen).toEqual([[client.connectionId, 'alice', 'lobby', 'b']]);
  expect((await client.poll({ headers: { authorization: 'Bearer eve' } })).status).toBe(403);
});

it.each([
  ['is cut', (socket: WebSocket) => socket.terminate()],
  ['breaks the protocol', (socket: WebSocket) => socket.send('x'.repeat(100))],
])("a connection handler's loop and signal end when the connection %s, which is not reported as its error", async (_how, end) => {
  const over: string[] = [];
  const handler: Handler = async (connection) => {
    connection.signal.addEventListener('abort', () => over.push('signal'));
    try {
      await echo(connection);
    } finally {
      over.push('loop');
    }
  };
  await using world = await serve(handler, { limits: { maxFrameBytes: 50 } });
  const { socket, closed } = listen(world.socket);
  await once(socket, 'open');
  end(socket);
  await closed;
  await expect.poll(() => over.sort()).toEqual(['loop', 'signal']);
  expect(world.errors).toEqual([]);
});

it('a WebSocket message larger than maxFrameBytes, in frames of any size, closes the connection with 1009 and a reason', async () => {
  await using world = await serve(echo, { limits: { maxFrameBytes: 50 } });
  const { socket, received } = listen(world.socket);
  await once(socket, 'open');
  for (const isLast of [false, true]) socket.send('x'.repeat(25), { fin: isLast });
  await expect.poll(() => received).toEqual(['x'.repeat(50)]);
  for (const isLast of [false, true]) socket.send('x'.repeat(26), { fin: isLast });
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([1009, 'The WebSocket message is larger than maxFrameBytes (50).']);
});

/** Returns a message of this many fragments and a last one, each with one character. */
const inFragments = (count: number): Buffer =>
  Buffer.concat([
    encodeFrame(Opcode.text, Buffer.from('x'), { isFinal: false }),
    ...Array.from({ length: count - 1 }, () => encodeFrame(Opcode.continuation, Buffer.from('x'), { isFinal: false })),
    encodeFrame(Opcode.continuation, Buffer.from('x')),
  ]);

it('a WebSocket message may have 16,384 fragments, and one more closes the connection with 1009', async () => {
  await using world = await serve(echo);
  await using some = new WireSocket(world.port, inFragments(16_384), '/raw');
  await some.until(() => some.frames.length > 0);
  expect(some.frames[0]?.payload).toHaveLength(16_385);
  await using more = new WireSocket(world.port, inFragments(16_385), '/raw');
  await more.until(() => more.frames.length > 0);
  expect(more.closeCode).toBe(1009);
});

it('empty fragments of a WebSocket message take no memory', async () => {
  await using world = await serve(echo);
  const { socket } = listen(world.socket);
  await once(socket, 'open');
  const before = heapInUse();
  for (let i = 0; i < 50_000; i++) socket.send('', { fin: false });
  await expect.poll(() => socket.bufferedAmount).toBe(0);
  expect((heapInUse() - before) / 2 ** 20).toBeLessThan(20);
  socket.terminate();
});

it('a waiting fragment of a WebSocket message keeps its own bytes, not the chunk that contained it', async () => {
  await using world = await serve(echo, { limits: { maxMessagesPerSecond: 1_000_000, maxBytesPerSecond: 1_000_000_000 } });
  const { socket } = listen(world.socket);
  await once(socket, 'open');
  const before = process.memoryUsage().arrayBuffers;
  const large = Buffer.alloc(125);
  const pongs: string[] = [];
  socket.on('pong', (payload: Buffer) => pongs.push(payload.toString()));
  for (let i = 0; i < 120; i++) {
    socket.send(Buffer.of(1), { fin: false });
    for (let n = 0; n < 400; n++) socket.ping(large);
    await new Promise(setImmediate);
  }
  socket.ping('last');
  await expect.poll(() => pongs.at(-1)).toBe('last');
  const keptMiB = (): number => (heapInUse(), (process.memoryUsage().arrayBuffers - before) / 2 ** 20);
  await expect.poll(keptMiB).toBeLessThan(2);
  socket.terminate();
});

it('an error of a connection handler closes the connection with 1011 and is reported', async () => {
  const error = new Error('failed');
  await using world = await serve(() => Promise.reject(error));
  expect(await listen(world.socket).closed).toBe(1011);
  expect(world.errors).toEqual([['connection handler', error]]);
});

it.each([
  ['disconnected', 1000],
  ['shutdown', 1001],
  ['connection_lost', 1006],
  ['slow_consumer', 1006],
] as const)('connection.close with the code "%s" closes the WebSocket with %d', async (code, webSocketCode) => {
  await using world = await serve((connection) => connection.close({ code }));
  expect(await listen(world.socket).closed).toBe(webSocketCode);
});

it('connection.send waits while the client does not read', async () => {
  let sent = 0;
  await using world = await serve(async (connection) => {
    for (; !connection.signal.aborted; sent++) await connection.send('x'.repeat(100_000));
  });
  const { socket, closed } = listen(world.socket);
  await once(socket, 'open');
  socket.pause();
  await using neighbour = await RawClient.open(world.port);
  let before = -1;
  const standsStill = async (): Promise<boolean> => {
    for (let i = 0; i < 20; i++) await neighbour.call('echo', i);
    return before === (before = sent);
  };
  await expect.poll(standsStill).toBe(true);
  socket.resume();
  await expect.poll(() => sent).toBeGreaterThan(before);
  socket.terminate();
  await closed;
});

it('a client that does not read more than maxBufferedBytes is disconnected', async () => {
  await using world = await serve(
    (connection) => {
      for (let i = 0; i < 20; i++) void connection.send('x'.repeat(1_000_000));
      return new Promise((resolve) => connection.signal.addEventListener('abort', () => resolve()));
    },
    { limits: { maxBufferedBytes: 5_000_000 } },
  );
  expect(await listen(world.socket).closed).toBe(1006);
});

it.each([undefined, null, 5, 5n, {}, { length: 1e9 }, ['a'], new ArrayBuffer(4)])(
  'connection.send refuses data that is neither text nor bytes: %o',
  async (data) => {
    let thrown: unknown;
    await using world = await serve(async (connection) => {
      try {
        await connection.send(data as unknown as string);
      } catch (error) {
        thrown = error;
      }
    });
    expect(await listen(world.socket).closed).toBe(1000);
    expect(thrown).toMatchObject({ code: 'invalid_option', details: { option: 'data' } });
  },
);
