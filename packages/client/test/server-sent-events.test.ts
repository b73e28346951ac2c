import { jsonCodec } from '@hubline/protocol';
import { expect, it, vi } from 'vitest';
import { longPolling, serverSentEvents } from '../src/index.ts';
import { PlainHttp } from './plain-http.ts';
import { silent } from './plain-server.ts';
import { World, type WorldOptions } from './world.ts';

const open = (server: PlainHttp, options: WorldOptions = {}): Promise<World> =>
  World.open({ url: server.url, transports: [serverSentEvents()], reconnect: { firstMs: 1 }, ...options });

it('the client opens one event stream and POSTs its messages', async () => {
  await using server = await PlainHttp.start();
  await using world = await open(server);
  await world.connection.start();
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  expect(server.methods).toEqual(['GET', 'POST', 'POST']);
  expect(server.requests[0]?.headers.accept).toBe('text/event-stream');
  await world.connection.stop();
  expect(server.methods).toEqual(['GET', 'POST', 'POST', 'POST']);
  expect(server.last.received.at(-1)).toEqual({ type: 7 });
});

it('messages may be cut at any byte of the stream, and over events and lines', async () => {
  const received: string[] = [];
  await using server = await PlainHttp.start({ behaves: silent });
  await using world = await open(server, { receiver: { said: (from, text) => void received.push(from + text) } });
  await world.connection.start();
  const stream = Buffer.from(
    ': a comment\r\ndata: {"type":1,"target":"said",\r\ndata: "arguments":["ann","你好"]}\u001e{"type":1,\r\n\r\n' +
      'data: "target":"said","arguments":["bob","👋"]}\u001e\r\n\r\n',
  );
  for (const byte of stream) {
    server.response.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.waitFor(() => expect(received).toEqual(['ann你好', 'bob👋']), 5_000);
});

it('the client pings over an event stream, and gives up a silent server', async () => {
  await using server = await PlainHttp.start({ behaves: silent });
  await using world = await open(server, { manualClock: true, reconnect: { nextDelayMs: () => 1_000 } });
  await world.connection.start();
  world.clock.advance(15_000);
  await vi.waitFor(() => expect(server.last.received).toEqual([{ type: 6 }]));
  world.clock.advance(15_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
  await vi.waitFor(() => expect(server.open).toBe(0));
});

it.each([
  ['a page', 'text/html', 'Expected an event stream, got text/html.'],
  ['nothing', undefined, 'Expected an event stream, got nothing.'],
])('start rejects if the event stream is %s', async (_, type, message) => {
  await using server = await PlainHttp.start({
    intercepts: (_request, response) => response.writeHead(200, type ? { 'content-type': type } : {}).write('<html>') || true,
  });
  await using world = await open(server);
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'negotiation_failed',
    message: expect.stringContaining(message) as unknown,
  });
  await vi.waitFor(() => expect(server.open).toBe(0));
});

it('start rejects if the event stream ends at once', async () => {
  await using server = await PlainHttp.start({
    intercepts: (_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
  });
  await using world = await open(server);
  await expect(world.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed' });
});

it('a binary protocol does not use server-sent events', async () => {
  const offer = (transport: string, ...transferFormats: string[]): object => ({ transport, transferFormats });
  await using server = await PlainHttp.start({
    negotiation: { availableTransports: [offer('ServerSentEvents', 'Text'), offer('LongPolling', 'Text', 'Binary')] },
  });
  const protocol = { ...jsonCodec, format: 'binary' as const };
  await using world = await open(server, { transports: [serverSentEvents(), longPolling()], protocol });
  await world.connection.start();
  expect(server.requests[0]?.headers.accept).not.toBe('text/event-stream');
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  await using alone = await open(server, { protocol });
  await expect(alone.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed' });
});
