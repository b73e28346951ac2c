import { once } from 'node:events';
import { connect } from 'node:net';
import type { RawConnection } from '@hubline/server';
import { expect, it } from 'vitest';
import { HttpClient, record } from './http-client.ts';
import { start } from './http-world.ts';
import { RawClient } from './raw-client.ts';

const queryOf = (client: HttpClient): string => new URL(client.url).search.slice(1);
const answerOf = async (response: Response) => ({ status: response.status, text: await response.text() });
const call = (id: string, value: unknown): string => record({ type: 1, invocationId: id, target: 'echo', arguments: [value] });

/** A connection handler that takes each chunk when the test opens its gate. */
function gated() {
  const taken: string[] = [];
  const gates: (() => void)[] = [];
  const handler = async (connection: RawConnection): Promise<void> => {
    for await (const chunk of connection) {
      await new Promise<void>((resolve) => gates.push(resolve));
      taken.push(Buffer.from(chunk).toString());
    }
  };
  return { taken, gates, handler };
}

it('a POST is refused for a connection without a transport and for one with a WebSocket', async () => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  expect(await answerOf(await client.post('x'))).toEqual({ status: 404, text: 'No Connection with that ID' });
  await using _socket = await RawClient.open(world.port, { query: queryOf(client) });
  const text = 'POST requests are not allowed for WebSocket connections.';
  expect(await answerOf(await client.post('x'))).toEqual({ status: 405, text });
});

it('a POST may contain a part of a message, or many messages', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  const text = call('1', 'é€😀') + call('2', 'b');
  const bytes = Buffer.from(text);
  for (const byte of bytes.subarray(0, 50)) await client.post(Uint8Array.of(byte));
  await client.post(bytes.subarray(50));
  const completions = record({ type: 3, invocationId: '1', result: 'é€😀' }) + record({ type: 3, invocationId: '2', result: 'b' });
  let answer = '';
  while (answer.length < completions.length) answer += await (await client.poll()).text();
  expect(answer).toBe(completions);
});

it('a POST is answered when its body has been taken, one after another', async () => {
  await using world = await start({ limits: { uploadCapacity: 1 } });
  const { taken, gates, handler } = gated();
  world.server.connectionHandler('/raw', handler);
  const client = await HttpClient.negotiate(`${world.origin}/raw`);
  await client.poll();
  const answered: string[] = [];
  const posts: Promise<unknown>[] = [];
  for (const text of ['1', '2', '3', '4']) {
    posts.push(client.post(text).then(() => answered.push(text)));
    if (text < '3') await expect.poll(() => answered).toContain(text);
  }
  // The handler has the first one, the second waits for it, and there is no room for a third.
  await expect.poll(() => gates.length).toBe(1);
  expect(answered).toEqual(['1', '2']);
  for (let next = 0; next < 4; next++) {
    await expect.poll(() => gates.length).toBe(next + 1);
    gates[next]?.();
  }
  await Promise.all(posts);
  expect(taken).toEqual(['1', '2', '3', '4']);
});

it('a POST waits until the slow body of an earlier POST is complete', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  const message = call('slow', 1);
  const length = { 'content-length': String(Buffer.byteLength(message)) };
  const slow = await client.raw('POST', { headers: length, body: message.slice(0, 10) });
  await using other = await RawClient.open(world.port); // round trips, after which the first body is being read
  expect((await other.call('echo', 1)).result).toBe(1);
  let isAnswered = false;
  const quick = client.post(call('quick', 2)).then(() => (isAnswered = true));
  expect((await other.call('echo', 1)).result).toBe(1);
  expect(isAnswered).toBe(false);
  slow.write(message.slice(10));
  expect(String((await once(slow, 'data'))[0])).toMatch(/^HTTP\/1.1 200 OK/);
  await quick;
  let answer = '';
  while (!answer.includes('quick')) answer += await (await client.poll()).text();
  expect(answer).toBe(record({ type: 3, invocationId: 'slow', result: 1 }) + record({ type: 3, invocationId: 'quick', result: 2 }));
  slow.destroy();
});

it('a POST whose body ends early is answered with 400, and the next POST is taken', async () => {
  await using world = await start();
  const client = await HttpClient.polling(world.url);
  const socket = await client.raw('POST', { headers: { 'content-length': '100' } });
  socket.end();
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 400 /);
  const cut = await client.raw('POST', { headers: { 'content-length': '100' } });
  cut.resetAndDestroy();
  expect((await client.post(call('1', 'after'))).status).toBe(200);
  expect(await (await client.poll()).text()).toContain('after');
  expect(world.errors).toEqual([]);
});

it('a connection keeps 64 waiting POSTs, and the sockets of further ones are cut', async () => {
  await using world = await start({ limits: { uploadCapacity: 1 } });
  const { taken, gates, handler } = gated();
  let requests = 0;
  const authenticate = () => (requests++, {});
  world.server.connectionHandler('/raw', handler, { authenticate });
  const client = await HttpClient.negotiate(`${world.origin}/raw`);
  await client.poll();
  const posts = Array.from({ length: 10 }, (_none, i) => client.post(`${i}`));
  await expect.poll(() => requests).toBe(12); // the ten posts, the negotiation and the poll
  await expect.poll(() => gates.length).toBe(1);
  let cut = 0;
  for (let socket = 0; socket < 60; socket++) {
    const flood = await client.raw('POST', { headers: { 'content-length': '1' }, body: 'x' });
    flood.on('error', () => undefined).resume(); // a reset is also an answer, and `close` follows
    flood.on('close', () => cut++);
  }
  await expect.poll(() => cut).toBe(70 - 64 - 3); // the handler has one, one waits for the handler, and one is being read
  for (let next = 0; next < 10; next++) {
    await expect.poll(() => gates.length).toBeGreaterThan(next);
    gates[next]?.();
  }
  expect((await Promise.all(posts)).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(taken.slice(0, 10).sort()).toEqual(Array.from({ length: 10 }, (_none, i) => `${i}`));
});

it('a POST that waits is answered when the connection ends', async () => {
  await using world = await start({ limits: { uploadCapacity: 1 } });
  const { gates, handler } = gated();
  world.server.connectionHandler('/raw', handler);
  const client = await HttpClient.negotiate(`${world.origin}/raw`);
  await client.poll();
  const posts = ['1', '2', '3'].map((text) => client.post(text));
  await expect.poll(() => gates.length).toBe(1);
  expect((await client.leave()).status).toBe(202);
  for (const post of posts) expect([200, 404]).toContain((await post).status);
});

it.each([
  ['LongPolling', 'ServerSentEvents'],
  ['LongPolling', 'WebSockets'],
  ['ServerSentEvents', 'LongPolling'],
  ['ServerSentEvents', 'WebSockets'],
  ['WebSockets', 'LongPolling'],
  ['WebSockets', 'ServerSentEvents'],
] as const)('a connection cannot change from %s to %s', async (from, to) => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  await using events = from === 'ServerSentEvents' ? await client.events() : undefined;
  await using _socket = from === 'WebSockets' ? await RawClient.open(world.port, { query: queryOf(client) }) : undefined;
  if (from === 'LongPolling') await client.poll();
  const text = 'Cannot change transports mid-connection';
  if (to === 'WebSockets') {
    const socket = await client.raw('GET', {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    });
    expect(String((await once(socket, 'data'))[0])).toMatch(new RegExp(`^HTTP/1.1 400 [^]*${text}$`));
    socket.destroy();
  } else {
    const response = to === 'LongPolling' ? await client.poll() : (await client.events()).response;
    expect(response.status).toBe(400);
    if (to === 'LongPolling') expect(await response.text()).toBe(text);
  }
  expect(events?.response.status ?? 200).toBe(200);
});

it('a second event stream of one connection is answered with 409', async () => {
  await using world = await start();
  const client = await HttpClient.negotiate(world.url);
  await using _events = await client.events();
  const second = await client.events();
  expect([second.response.status, second.response.headers.get('hubline-code'), await second.end()]).toEqual([409, 'already_connected', '']);
});

it.each(['WebSockets', 'ServerSentEvents', 'LongPolling'] as const)(
  'a hub without the transport %s neither offers nor accepts it',
  async (missing) => {
    const transports = (['WebSockets', 'ServerSentEvents', 'LongPolling'] as const).filter((name) => name !== missing);
    await using world = await start({ hub: { transports } });
    const negotiated = await fetch(`${world.url}/negotiate?negotiateVersion=1`, { method: 'POST' });
    const body = (await negotiated.json()) as { availableTransports: { transport: string }[] };
    expect(body.availableTransports.map(({ transport }) => transport)).toEqual(transports);
    const client = await HttpClient.negotiate(world.url);
    const text = `${missing} transport not supported by this end point type`;
    if (missing === 'WebSockets') {
      const refused = new RawClient(world.port, { query: queryOf(client) });
      refused.socket.on('error', () => undefined);
      const [, response] = (await once(refused.socket, 'unexpected-response')) as [unknown, { statusCode: number; resume(): void }];
      response.resume();
      expect(response.statusCode).toBe(404);
      await refused[Symbol.asyncDispose]();
    } else if (missing === 'LongPolling') {
      expect(await answerOf(await client.poll())).toEqual({ status: 404, text });
    } else {
      const events = await client.events();
      expect([events.response.status, await events.end()]).toEqual([404, text]);
    }
  },
);

it('a hub refuses clients below its minimumVersion', async () => {
  await using world = await start({ hub: { minimumVersion: 1 } });
  const negotiate = async (query: string) => (await fetch(`${world.url}/negotiate${query}`, { method: 'POST' })).json() as Promise<object>;
  const error = "The client requested version '0', but the server does not support this version.";
  expect(await negotiate('')).toEqual({ error });
  expect(await negotiate('?negotiateVersion=0')).toEqual({ error });
  expect(await negotiate('?negotiateVersion=1')).toMatchObject({ negotiateVersion: 1 });
});

it('redirect sends a client elsewhere with a token, before authenticate runs', async () => {
  await using world = await start({
    hub: {
      authenticate: () => Promise.reject(new Error('nobody is asked')),
      redirect: ({ url }) =>
        url.searchParams.has('away') ? Promise.resolve({ url: 'https://elsewhere.example/hub', accessToken: 'secret' }) : undefined,
    },
  });
  const response = await fetch(`${world.url}/negotiate?negotiateVersion=1&away`, { method: 'POST' });
  expect(await answerOf(response)).toEqual({ status: 200, text: '{"url":"https://elsewhere.example/hub","accessToken":"secret"}' });
  expect(response.headers.get('set-cookie')).toBeNull();
  expect((await fetch(`${world.url}/negotiate?negotiateVersion=1`, { method: 'POST' })).status).toBe(500);
});

it('the body of a negotiation is read and not kept while it is authenticated', async () => {
  let admit: () => void = () => undefined;
  const admitted = new Promise<void>((resolve) => (admit = resolve));
  await using world = await start({ hub: { authenticate: () => admitted.then(() => ({})) } });
  const socket = connect(world.port, '127.0.0.1');
  const bytes = 32 * 1024 * 1024;
  socket.write(`POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${bytes}\r\n\r\n`);
  socket.write(Buffer.alloc(bytes));
  await expect.poll(() => socket.writableLength, { timeout: 10_000 }).toBe(0);
  admit();
  socket.destroy();
});
