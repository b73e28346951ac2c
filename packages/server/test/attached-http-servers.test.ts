import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, createSecureServer, createServer as createHttp2Server, type ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type AuthenticationRequest, type HttpServer, type HubServerOptions } from '@hubline/server';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Attachment } from '../src/transports/attachment.ts';
import { HANDSHAKE, HttpClient, record } from './http-client.ts';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';

interface Calls {
  work(): Promise<string>;
}
const contract = defineHub<Calls>('hosted');

function serve(options: HubServerOptions = {}) {
  const server = createHubServer(options);
  let finish = (): void => undefined;
  let working = 0;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const work = async (): Promise<string> => {
    working++;
    await finished;
    return 'done';
  };
  let admit = (): void => undefined;
  const arrived = new Set<string | null>();
  let entering = 0;
  const admitted = new Promise<void>((resolve) => (admit = resolve));
  const authenticate = async ({ url }: AuthenticationRequest) => {
    arrived.add(url.searchParams.get('_'));
    if (!url.searchParams.has('slow')) return {};
    entering++;
    await admitted;
    return {};
  };
  server.hub(contract, { path: '/hub', authenticate, methods: { work } });
  return {
    server,
    finish,
    admit,
    working: () => working,
    entering: () => entering,
    arrived,
    [Symbol.asyncDispose]: () => server.close({ graceMs: 0 }),
  };
}

async function listening(http: HttpServer): Promise<number> {
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return (http.address() as AddressInfo).port;
}

/** Starts an HTTP server that keeps idle sockets open, as frameworks do. */
async function host(keepAliveTimeout = 60_000) {
  const http = createServer({ keepAliveTimeout });
  const port = await listening(http);
  return { http, port, url: `http://127.0.0.1:${port}/hub`, [Symbol.asyncDispose]: () => closed(http) };
}

/** Closes an HTTP server as frameworks do, without cutting sockets. */
async function closed(http: Server): Promise<void> {
  if (http.listening) await new Promise((resolve) => http.close(resolve));
}

const GOODBYE = { type: 7, allowReconnect: true };
const CALL = record({ type: 1, invocationId: '1', target: 'work', arguments: [] });

it('an attached HTTP server closes while a client is connected over WebSockets, and the client may reconnect elsewhere', async () => {
  await using world = serve();
  await using web = await host();
  world.server.attach(web.http);
  await using client = await RawClient.open(web.port);
  await closed(web.http);
  expect(await client.closed).toBe(1000);
  expect(client.messages).toMatchObject([GOODBYE]);
  await expect.poll(() => world.server.health()).toMatchObject({ status: 'ok', connections: 0 });
});

it('an attached HTTP server closes while a client reads server-sent events', async () => {
  await using world = serve();
  await using web = await host();
  world.server.attach(web.http);
  const client = await HttpClient.negotiate(web.url);
  await using events = await client.events();
  await events.until(':');
  await client.post(HANDSHAKE);
  await events.until('{}');
  await closed(web.http);
  expect(await events.end()).toContain('"type":7');
});

it('an attached HTTP server closes while a client polls', async () => {
  await using world = serve();
  await using web = await host();
  world.server.attach(web.http);
  const client = await HttpClient.polling(web.url);
  const poll = client.poll();
  await expect.poll(() => world.arrived.has(client.lastPoll)).toBe(true);
  await closed(web.http);
  expect(await (await poll).text()).toContain('"type":7');
});

it('an attached HTTP server closes while a negotiated client keeps an idle socket', async () => {
  await using world = serve();
  await using web = await host();
  world.server.attach(web.http);
  await HttpClient.negotiate(web.url); // the client never connects
  await closed(web.http);
});

it('an attached HTTP server that closes lets calls end first, and accepts no new clients meanwhile', async () => {
  await using world = serve();
  await using web = await host();
  world.server.attach(web.http);
  await using idle = await RawClient.open(web.port);
  await using client = await RawClient.open(web.port);
  const polling = await HttpClient.polling(web.url);
  const poll = polling.poll();
  client.send({ type: 1, invocationId: '1', target: 'work', arguments: [] });
  await polling.post(CALL);
  await expect.poll(world.working).toBe(2);
  const entering = [requestLines('POST', '/hub/negotiate?slow', { connection: 'close' }), upgradeLines('/hub?slow')].map((lines) =>
    rawRequest(web.port, lines),
  );
  await expect.poll(world.entering).toBe(2);
  const closing = closed(web.http);
  await idle.closed; // no call of this client was running
  expect(client.messages).toEqual([]);
  world.admit();
  for (const answer of await Promise.all(entering)) expect(answer).toMatch(/^HTTP\/1.1 503 [^]*hubline-code: shutdown/);
  world.finish();
  await client.closed;
  expect(client.messages).toMatchObject([{ type: 3, result: 'done' }, GOODBYE]);
  expect(await (await poll).text()).toContain('"done"');
  await closing;
});

it('an attached HTTP server that closes ends the socket of the last response', async () => {
  await using web = await host();
  const attachment = new Attachment(web.http);
  const held = new Promise<ServerResponse>((resolve) => {
    web.http.on('request', (_request, response) => {
      attachment.observe(response);
      response.write('a');
      resolve(response);
    });
  });
  const answer = await fetch(web.url);
  const closing = closed(web.http);
  await attachment.close(() => Promise.resolve());
  (await held).end('b');
  expect(await answer.text()).toBe('ab');
  await closing;
});

it('an attached HTTP server that closes cuts calls after graceMs', async () => {
  await using world = serve();
  await using web = await host();
  world.server.attach(web.http, { graceMs: 0 });
  await using client = await RawClient.open(web.port);
  client.send({ type: 1, invocationId: '1', target: 'work', arguments: [] });
  await expect.poll(world.working).toBe(1);
  await closed(web.http);
  expect(client.messages).toMatchObject([GOODBYE]);
});

it('closing one attached HTTP server leaves the clients of others connected, and it may listen again', async () => {
  await using world = serve();
  await using one = await host();
  await using other = await host();
  world.server.attach(one.http);
  world.server.attach(other.http);
  await using leaving = await RawClient.open(one.port);
  await using staying = await RawClient.open(other.port);
  await closed(one.http);
  await leaving.closed;
  await expect.poll(() => world.server.health()).toMatchObject({ status: 'ok', connections: 1 });
  expect(staying.messages).toEqual([]);
  await using again = await RawClient.open(await listening(one.http));
  world.finish();
  expect((await again.call('work')).result).toBe('done');
});

it('an attached HTTP server and the hub server close in either order', async () => {
  await using web = await host();
  await using world = serve();
  const { close } = web.http;
  world.server.attach(web.http);
  await using client = await RawClient.open(web.port);
  const before = await HttpClient.negotiate(web.url);
  await using events = await before.events();
  await events.until(':');
  await world.server.close();
  await client.closed;
  await closed(web.http);
  expect(web.http.close).toBe(close);
});

interface Asking {
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Sends a request over HTTP/2, and collects its response. */
function ask(session: ClientHttp2Session, path: string, { headers = {}, body }: Asking = {}) {
  const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST', ...headers });
  let text = '';
  let status = 0;
  stream.setEncoding('utf8');
  stream.on('response', (answer) => (status = answer[':status'] ?? 0));
  stream.on('data', (data: string) => (text += data));
  stream.end(body);
  return { ended: once(stream, 'end').then(() => text), text: () => text, status: () => status };
}

/** Connects over HTTP/2 and closes the server while a client reads events and another one polls. */
async function overHttp2(http: HttpServer, session: ClientHttp2Session): Promise<void> {
  const token = async (): Promise<string> => {
    const answer = await ask(session, '/hub/negotiate?negotiateVersion=1', { body: '' }).ended;
    return `/hub?id=${(JSON.parse(answer) as { connectionToken: string }).connectionToken}`;
  };
  const [streams, polls] = [await token(), await token()];
  const events = ask(session, streams, { headers: { accept: 'text/event-stream' } });
  await expect.poll(events.text).toContain(':');
  await ask(session, streams, { body: HANDSHAKE }).ended;
  await expect.poll(events.text).toContain('{}');
  await ask(session, polls).ended;
  await ask(session, polls, { body: HANDSHAKE }).ended;
  await ask(session, polls).ended;
  const poll = ask(session, polls);
  await ask(session, polls, { body: record({ type: 6 }) }).ended; // the poll was sent before this request, so it has arrived
  await new Promise((resolve) => http.close(resolve));
  expect(await events.ended).toContain('"type":7');
  expect(await poll.ended).toContain('"type":7');
}

/** An anonymous cipher needs no certificate. */
const anonymous = { ciphers: 'aNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;

it('attach accepts an HTTP/2 server with HTTP/1.1 for WebSockets, such as those of Vite and Hono', async () => {
  await using world = serve();
  const http = createSecureServer({ ...anonymous, allowHTTP1: true });
  world.server.attach(http);
  const port = await listening(http);
  const options = { ...anonymous, rejectUnauthorized: false };
  const socket = new WebSocket(`wss://127.0.0.1:${port}/hub`, options);
  await once(socket, 'open');
  const gone = once(socket, 'close');
  await overHttp2(http, connect(`https://127.0.0.1:${port}`, options));
  await gone;
});

it('attach accepts a server of HTTP/2 alone, without WebSockets', async () => {
  await using world = serve();
  const http = createHttp2Server();
  world.server.attach(http);
  await overHttp2(http, connect(`http://127.0.0.1:${await listening(http)}`));
});

it.each([
  ['undefined', undefined],
  ['an Express application', ['emit', 'listen']],
  ['a Fastify or Nest application', ['listen', 'close']],
])('attach refuses an application, whose requests would not reach the hub: %s', async (_what, methods) => {
  await using world = serve();
  const given = methods && Object.fromEntries(methods.map((name) => [name, () => undefined]));
  expect(() => world.server.attach(given as unknown as Server)).toThrow(
    expect.objectContaining({ code: 'invalid_option', details: { option: 'server' } }) as Error,
  );
});
