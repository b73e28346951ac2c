import { once } from 'node:events';
import { expect, it } from 'vitest';
import { HANDSHAKE, HttpClient, record } from './http-client.ts';
import { start } from './http-world.ts';

const answerOf = async (response: Response) => ({ status: response.status, text: await response.text() });

async function streaming(url: string) {
  const client = await HttpClient.negotiate(url);
  const events = await client.events();
  await client.post(HANDSHAKE);
  await events.until('data: {}\u001e\r\n\r\n');
  return { client, events };
}

it('the event stream begins at once, with headers against the buffering of proxies', async () => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  await using events = await client.events();
  expect(events.response.status).toBe(200);
  expect(Object.fromEntries(events.response.headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache,no-store',
    pragma: 'no-cache',
    'content-encoding': 'identity',
    'x-accel-buffering': 'no',
  });
  expect(await events.until('\n')).toBe(':\r\n');
});

it('each turn is written as one event, and POSTs are answered without data', async () => {
  await using world = await start();
  const { client, events } = await streaming(world.url);
  const post = await client.post(record({ type: 1, invocationId: '1', target: 'echo', arguments: ['a\nb'] }));
  expect(await answerOf(post)).toEqual({ status: 200, text: '' });
  const answer = record({ type: 3, invocationId: '1', result: 'a\nb' });
  expect(await events.until(`${answer}\r\n\r\n`)).toBe(`:\r\ndata: {}\u001e\r\n\r\ndata: ${answer}\r\n\r\n`);
  await events[Symbol.asyncDispose]();
});

it('the event stream ends after the close message', async () => {
  await using world = await start();
  const { client, events } = await streaming(world.url);
  await world.hub.disconnect({ connection: client.connectionId }, 'enough');
  expect(await events.end()).toContain('{"type":7');
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'disconnected']]);
  expect((await client.post('x')).status).toBe(404);
});

it('the end of the event stream ends the connection', async () => {
  await using world = await start();
  const { client, events } = await streaming(world.url);
  await events[Symbol.asyncDispose]();
  await expect.poll(() => world.ended).toEqual([[client.connectionId, 'connection_lost']]);
  expect((await client.post('x')).status).toBe(404);
});

it('a ping is written if nothing else was sent for keepAliveMs', async () => {
  await using world = await start({ timeouts: { keepAliveMs: 5000 } });
  const { events } = await streaming(world.url);
  await world.clock.advance(7000);
  await events.until(`data: ${record({ type: 6 })}\r\n\r\n`);
  await events[Symbol.asyncDispose]();
});

it('a client that does not read its event stream for sendMs is disconnected', async () => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  const socket = await client.raw('GET', { headers: { accept: 'text/event-stream' } });
  await once(socket, 'data');
  socket.pause();
  await client.post(HANDSHAKE);
  await expect.poll(async () => (await world.hub.presence.count()).value).toBe(1);
  await world.hub.clients.all.send.said('x'.repeat(16_000_000));
  await world.clock.advance(9000);
  expect(world.ended).toEqual([]);
  await expect.poll(() => world.clock.advance(1000).then(() => world.ended)).toEqual([[client.connectionId, 'connection_lost']]);
  socket.destroy();
});

it("the protocol MessagePack is refused over an event stream, with SignalR's text", async () => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  await using events = await client.events();
  await client.post(`{"protocol":"messagepack","version":1}\u001e`);
  expect(await events.until('\u001e')).toMatch(/error.*messagepack/);
});

it('of two event streams for one connection at the same time, one is accepted and the other gets 409', async () => {
  const open: (() => void)[] = [];
  await using world = await start({
    hub: {
      authenticate: async ({ url }) => {
        if (url.pathname === '/hub') await new Promise<void>((resolve) => open.push(resolve));
        return {};
      },
    },
  });
  const client = await HttpClient.negotiate(world.url);
  const both = [client.events(), client.events()];
  await expect.poll(() => open.length).toBe(2);
  for (const admit of open) admit();
  const streams = await Promise.all(both);
  expect(streams.map(({ response }) => response.status).sort()).toEqual([200, 409]);
  const [first, second] = streams[0]?.response.status === 200 ? streams : streams.reverse();
  expect(await second?.end()).toBe('');
  const post = client.post(HANDSHAKE);
  await expect.poll(() => open.length).toBe(3);
  open[2]?.();
  expect((await post).status).toBe(200);
  await first?.until('data: {}\u001e');
  expect(world.errors).toEqual([]);
  await first?.[Symbol.asyncDispose]();
});

it('an event stream that is authenticated while the node drains is refused with 503', async () => {
  let admit: (() => void) | undefined;
  await using world = await start({
    hub: {
      authenticate: async ({ url }) => {
        if (url.pathname === '/hub') await new Promise<void>((resolve) => (admit = resolve));
        return {};
      },
    },
  });
  const client = await HttpClient.negotiate(world.url);
  const events = client.events();
  await expect.poll(() => admit).toBeDefined();
  await world.server.drain();
  admit?.();
  const { response } = await events;
  expect([response.status, response.headers.get('hubline-code')]).toEqual([503, 'shutdown']);
  expect(world.errors).toEqual([]);
});
