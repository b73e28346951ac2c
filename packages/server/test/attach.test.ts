import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubServer } from '@hubline/server';
import { expect, it, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';

interface Echo {
  echo(value: unknown): Promise<unknown>;
}
const one = defineHub<Echo>('one');
const two = defineHub<Echo>('two');

async function host(listener?: RequestListener) {
  const http = createServer();
  if (listener) http.on('request', listener);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  return {
    http,
    port,
    get: async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text(),
    negotiate: async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}/negotiate`, { method: 'POST' })).status,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      http.close();
      if (http.listening) await once(http, 'close');
    },
  };
}

function serve(http: Server, path = '/hub', contract = one): HubServer {
  const server = createHubServer();
  server.hub(contract, { path, methods: { echo: async (_ctx, value) => value } });
  server.attach(http);
  return server;
}

const text =
  (body: string): RequestListener =>
  (_request, response) =>
    void response.end(body);

it('an attached hub server takes its own paths, and other routes go to listeners added before and after', async () => {
  const before = vi.fn(text('before'));
  await using world = await host(before);
  await using _server = serve(world.http);
  const after = vi.fn();
  world.http.on('request', after);
  expect(await world.get('/page')).toBe('before');
  expect(await world.negotiate('/hub')).toBe(200);
  await using client = await RawClient.open(world.port);
  expect((await client.call('echo', 1)).result).toBe(1);
  expect(before).toHaveBeenCalledTimes(1);
  expect(after).toHaveBeenCalledTimes(1);
});

it('an attached hub server works beside a framework that answers every request', async () => {
  await using world = await host((_request, response) => void response.writeHead(418).end('mine'));
  await using _server = serve(world.http);
  expect(await world.get('/hubs')).toBe('mine');
  expect(await world.negotiate('/hub')).toBe(200);
});

it('an attached hub server leaves the upgrades of other WebSocket servers to them', async () => {
  await using world = await host();
  const first = new WebSocketServer({ server: world.http, path: '/first' });
  await using _server = serve(world.http);
  const greeted: string[] = [];
  first.on('connection', (socket) => socket.send('first'));
  const visitor = new WebSocket(`ws://127.0.0.1:${world.port}/first`);
  visitor.on('message', (data: Buffer) => greeted.push(data.toString()));
  await expect.poll(() => greeted).toEqual(['first']);
  visitor.terminate();
  await using client = await RawClient.open(world.port);
  expect((await client.call('echo', 2)).result).toBe(2);
});

/** Offers an upgrade, and returns the response up to this end. */
const offer = (port: number, target: string, { end, ...headers }: Record<string, string>): Promise<string> =>
  rawRequest(port, requestLines('GET', target, { connection: 'Upgrade, HTTP2-Settings', ...headers }), (answer) =>
    answer.endsWith(end ?? ''),
  );

const H2C = { upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA' };

it('an upgrade for another path is ignored: the request and its socket continue as HTTP/1.1', async () => {
  await using world = await host(
    (request, response) => void response.end(`${request.method} ${request.url}, ${String(request.headers['x-a'])}`),
  );
  await using server = serve(world.http);
  expect(await offer(world.port, '/page?a=b', { ...H2C, 'x-a': '1', end: '/page?a=b, 1' })).toMatch(/^HTTP\/1.1 200 /);
  expect(await offer(world.port, '/page', { upgrade: 'websocket', 'x-a': '2', end: '/page, 2' })).toMatch(/^HTTP\/1.1 200 /);
  const body = requestLines('POST', '/post', { ...H2C, connection: 'Upgrade, HTTP2-Settings', 'content-length': '4', 'x-a': '3' }) + 'body';
  const next = requestLines('GET', '/next', { 'x-a': '4' });
  const both = await rawRequest(world.port, body + next, (answer) => answer.endsWith('/next, 4'));
  expect(both.match(/(?:POST|GET) \S+ \d/g)).toEqual(['POST /post, 3', 'GET /next, 4']);
  for (let i = 0; i < 20; i++) {
    const socket = connect(world.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(upgradeLines('/elsewhere') + 'x'.repeat(1000), () => socket.resetAndDestroy());
    await once(socket, 'close');
  }
  expect(server.health().status).toBe('ok');
  expect(await world.negotiate('/hub')).toBe(200);
});

it('a socket gets four ignored upgrades answered, the last with connection: close, and is cut if it sends more at once', async () => {
  const asked = vi.fn(text('yours'));
  await using world = await host(asked);
  await using _server = serve(world.http);
  const warned = vi.fn();
  process.on('warning', warned);
  const lines = requestLines('GET', '/page', { ...H2C, connection: 'Upgrade, HTTP2-Settings' });
  const socket = connect(world.port, '127.0.0.1');
  let answers = '';
  const closed = once(socket, 'close');
  socket.on('data', (data: Buffer) => (answers += data.toString()));
  for (let i = 1; i <= 4; i++) {
    socket.write(lines);
    await expect.poll(() => answers.split('yours').length - 1).toBe(i);
  }
  await closed;
  expect(answers.match(/connection: (?:keep-alive|close)/gi)?.map((line) => line.toLowerCase())).toEqual([
    ...Array.from({ length: 3 }, () => 'connection: keep-alive'),
    'connection: close',
  ]);
  asked.mockClear();
  await rawRequest(world.port, lines.repeat(1000)).catch(() => undefined); // a reset also ends it
  expect(asked.mock.calls.length).toBeLessThanOrEqual(4);
  process.off('warning', warned);
  expect(warned).not.toHaveBeenCalled();
  expect(await world.negotiate('/hub')).toBe(200);
});

it('a hub path is served to clients that offer an upgrade to HTTP/2, as Java does', async () => {
  await using world = await host();
  await using _server = serve(world.http);
  const headers = { ...H2C, connection: 'Upgrade, HTTP2-Settings', 'content-length': '0' };
  const answer = await rawRequest(world.port, requestLines('POST', '/hub/negotiate?negotiateVersion=1', headers), (text) =>
    text.endsWith('}}'),
  );
  expect(answer).toMatch(/^HTTP\/1.1 200 [^]*connectionToken/);
  const token = /"connectionToken":"([^"]+)"/.exec(answer)?.[1];
  const poll = await rawRequest(world.port, requestLines('GET', `/hub?id=${token}`, { ...H2C, connection: 'Upgrade' }), (text) =>
    text.endsWith('\r\n\r\n'),
  );
  expect(poll).toMatch(/^HTTP\/1.1 200 /);
  expect(await offer(world.port, '/hub', { ...H2C, end: 'Connection ID required' })).toMatch(/^HTTP\/1.1 400 /);
});

it('upgrades for other paths go to the upgrade listeners of the application', async () => {
  await using world = await host(text('yours'));
  world.http.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  await using _server = serve(world.http);
  expect(await rawRequest(world.port, requestLines('GET', '/page', { ...H2C, connection: 'Upgrade' }))).toMatch(/^HTTP\/1.1 101 /);
  expect(await offer(world.port, '/hub', { ...H2C, end: 'Connection ID required' })).toMatch(/^HTTP\/1.1 400 /);
});

it('an ignored upgrade is handed on once if several hub servers are attached', async () => {
  const asked = vi.fn(text('yours'));
  await using world = await host(asked);
  await using _one = serve(world.http, '/one', one);
  await using _two = serve(world.http, '/two', two);
  expect(await world.negotiate('/one')).toBe(200);
  expect(await world.negotiate('/two')).toBe(200);
  expect(await offer(world.port, '/three', { ...H2C, end: 'yours' })).toMatch(/^HTTP\/1.1 200 /);
  expect(asked).toHaveBeenCalledTimes(1);
});

it('an ignored upgrade over TLS continues as HTTP/1.1', async () => {
  // An anonymous cipher needs no certificate.
  const anonymous = { ciphers: 'aNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;
  const https = createTlsServer(anonymous, text('yours'));
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  const { port } = https.address() as AddressInfo;
  await using _server = serve(https);
  const socket = connectTls({ ...anonymous, port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.write(requestLines('GET', '/page', { ...H2C, connection: 'Upgrade, HTTP2-Settings' }));
  let answer = '';
  socket.on('data', (data: Buffer) => (answer += data.toString()));
  await expect.poll(() => answer).toMatch(/^HTTP\/1.1 200 [^]*yours$/);
  socket.destroy();
  https.closeAllConnections();
  https.close();
  await once(https, 'close');
});

it('a refused upgrade closes its socket although the peer keeps its side open', async () => {
  await using world = await host();
  await using _server = serve(world.http);
  const socket = connect({ port: world.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.resume();
  socket.write(upgradeLines('/hub?id=nobody'));
  await once(socket, 'end');
  await expect.poll(() => new Promise((resolve) => world.http.getConnections((_error, count) => resolve(count)))).toBe(0);
  socket.destroy();
});

it('closing attached hub servers, in any order, gives their paths back to the application', async () => {
  await using world = await host(text('yours'));
  const first = serve(world.http, '/one', one);
  const second = serve(world.http, '/two', two);
  const client = await RawClient.open(world.port, { path: '/one' });
  await first.close();
  expect(await client.closed).toBe(1000);
  expect(await world.get('/one')).toBe('yours');
  expect(await world.negotiate('/two')).toBe(200);
  await second.close();
  expect(await world.get('/two')).toBe('yours');
  expect(world.http.listenerCount('upgrade')).toBe(0);
  expect(world.http.listening).toBe(true);
});

it('a server hosts several hubs, each on its own path', async () => {
  await using server = createHubServer();
  server.hub(one, { path: '/one', methods: { echo: async () => 'one' } });
  server.hub(two, { path: '/two', methods: { echo: async () => 'two' } });
  const port = await server.listen(0);
  await using a = await RawClient.open(port, { path: '/one' });
  await using b = await RawClient.open(port, { path: '/two' });
  expect([(await a.call('echo')).result, (await b.call('echo')).result]).toEqual(['one', 'two']);
});

it('a server refuses the name or the path of another hub', async () => {
  await using server = createHubServer();
  const methods = { echo: async (_ctx: unknown, value: unknown) => value };
  server.hub(one, { path: '/one', methods });
  expect(() => server.hub(one, { path: '/other', methods })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  expect(() => server.hub(two, { path: '/one', methods })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  server.hub(two, { path: '/two', methods });
});

it('a node that accepts no connections answers 404 on its hub paths', async () => {
  await using server = createHubServer({ accept: false });
  server.hub(one, { path: '/hub', methods: { echo: async () => 1 } });
  const port = await server.listen(0);
  expect(await rawRequest(port, requestLines('POST', '/hub/negotiate', { connection: 'close' }))).toMatch(/^HTTP\/1.1 404 /);
  expect(await rawRequest(port, upgradeLines('/hub', { connection: 'Upgrade, close' }))).toMatch(/^HTTP\/1.1 404 /);
});

it.each(['c', '/c', '/c/', 'c/'])('the path "%s" is served with and without a slash over every transport', async (path) => {
  await using world = await host();
  await using _server = serve(world.http, path);
  expect(await world.negotiate('/c')).toBe(200);
  const url = `http://127.0.0.1:${world.port}`;
  expect((await fetch(`${url}/c/negotiate/`, { method: 'POST' })).status).toBe(200);
  for (const slash of ['', '/']) {
    await using client = await RawClient.open(world.port, { path: `/c${slash}` });
    expect((await client.call('echo', 1)).result).toBe(1);
    const negotiated = await fetch(`${url}/c/negotiate?negotiateVersion=1`, { method: 'POST' });
    const { connectionToken } = (await negotiated.json()) as { connectionToken: string };
    expect((await fetch(`${url}/c${slash}?id=${connectionToken}`)).status).toBe(200);
    expect((await fetch(`${url}/c${slash}?id=${connectionToken}`, { method: 'DELETE' })).status).toBe(202);
  }
});

it('a hub is served at the root, below a prefix and at a path with encoded characters', async () => {
  for (const [options, path, asked] of [
    [{}, '/', ''],
    [{ pathPrefix: 'app/' }, 'c/', '/app/c'],
    [{}, '/chät raum'.replace(' ', '_'), '/ch%C3%A4t_raum'],
  ] as const) {
    await using world = await host();
    await using server = createHubServer(options);
    server.hub(one, { path, methods: { echo: async (_ctx, value) => value } });
    server.attach(world.http);
    expect(await world.negotiate(asked), path).toBe(200);
  }
});

const NO_PATHS = ['/x?y', '/x#y', '/a b', '/a//b', '//', '/../a', '/a/.', '/a\\b', '/a/negotiate', '/a/Negotiate', 5, null, {}];
const ENCODED_DOTS = ['/%2e/a', '/a/%2E', '/%2e%2e/a', '/%2e./a', '/.%2e/a'];
it.each([...NO_PATHS, ...ENCODED_DOTS])('a server refuses the path %j, which no request can have', async (path) => {
  await using server = createHubServer();
  const option = expect.objectContaining({ code: 'invalid_option', details: { option: 'path' } }) as Error;
  expect(() => server.hub(one, { path: path as string, methods: { echo: async () => 1 } })).toThrow(option);
  expect(() => server.connectionHandler(path as string, () => undefined)).toThrow(option);
  const prefix = expect.objectContaining({ code: 'invalid_option', details: { option: 'pathPrefix' } }) as Error;
  if (path !== null) expect(() => createHubServer({ pathPrefix: path as string })).toThrow(prefix);
  server.hub(one, { path: '/fine', methods: { echo: async () => 1 } }); // the refused hub has registered nothing
});

it.each<[option: string, options: object]>([
  ['transports', { transports: [] }],
  ['transports', { transports: null }],
  ['transports', { transports: 'None' }],
  ['transports', { transports: ['constructor'] }],
  ['transports', { transports: ['WebSocket'] }],
  ['transports', { transports: ['LongPolling', 'LongPolling'] }],
  ['minimumVersion', { minimumVersion: 2 }],
  ['origins', { origins: ['app.example.com'] }],
  ['origins', { origins: ['https://app.example.com/path'] }],
  ['origins', { origins: ['https://app.example.com/?query'] }],
  ['origins', { origins: ['https://app.example.com/#fragment'] }],
  ['origins', { origins: ['https://user@app.example.com'] }],
  ['origins', { origins: ['https://:password@app.example.com'] }],
  ['origins', { origins: [['https://app.example.com']] }],
  ['origins', { origins: 'https://app.example.com' }],
])('a server refuses invalid options of a hub: %s, %j', async (option, options) => {
  await using server = createHubServer();
  const error = expect.objectContaining({ code: 'invalid_option', details: { option } }) as Error;
  expect(() => server.hub(one, { path: '/hub', methods: { echo: async () => 1 }, ...options })).toThrow(error);
});

it.each([
  ['trustProxy', { trustProxy: -1 }],
  ['trustProxy', { trustProxy: 1.5 }],
  ['trustProxy', { trustProxy: NaN }],
  ['trustProxy', { trustProxy: 'yes' }],
  ['trustProxy', { trustProxy: '1' }],
  ['trustProxy', { trustProxy: null }],
  ['nodeId', { nodeId: '' }],
  ['nodeId', { nodeId: 5 }],
  ['app', { app: ['x'] }],
  ['affinity.query', { affinity: { query: '' } }],
  ['affinity.cookie', { affinity: { cookie: 'a=b' } }],
  ['affinity.cookie', { affinity: { cookie: null } }],
  ['affinity.path', { affinity: { path: '/; HttpOnly' } }],
  ['affinity.path', { affinity: { path: null } }],
  ['affinity.domain', { affinity: { domain: 'x\r\nset-cookie: y' } }],
])('createHubServer refuses invalid options: %s, %j', (option, options) => {
  const error = expect.objectContaining({ code: 'invalid_option', details: { option } }) as Error;
  expect(() => createHubServer(options as object)).toThrow(error);
});
