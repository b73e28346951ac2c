import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { createHubServer, defineHub, type HubServer } from '@hubline/server';
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

it('takes its paths from a server whose routes came before and come after', async () => {
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

it('works under a framework that answers everything that it is handed', async () => {
  await using world = await host((_request, response) => void response.writeHead(418).end('mine'));
  await using _server = serve(world.http);
  expect(await world.get('/hubs')).toBe('mine');
  expect(await world.negotiate('/hub')).toBe(200);
});

it('leaves the upgrades of others alone, before and after', async () => {
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

it('ends upgrades that nobody wants with 404, and survives a reset right after them', async () => {
  await using world = await host();
  await using server = serve(world.http);
  expect(await rawRequest(world.port, upgradeLines('/elsewhere'))).toMatch(/^HTTP\/1.1 404 /);
  for (let i = 0; i < 20; i++) {
    const socket = connect(world.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(upgradeLines('/elsewhere') + 'x'.repeat(1000), () => socket.resetAndDestroy());
    await once(socket, 'close');
  }
  expect(server.health().status).toBe('ok');
  expect(await world.negotiate('/hub')).toBe(200);
});

it('ends unwanted upgrades also where several servers are attached', async () => {
  await using world = await host();
  await using _one = serve(world.http, '/one', one);
  await using _two = serve(world.http, '/two', two);
  expect(await world.negotiate('/one')).toBe(200);
  expect(await world.negotiate('/two')).toBe(200);
  expect(await rawRequest(world.port, upgradeLines('/three'))).toMatch(/^HTTP\/1.1 404 /);
});

it('closes a refused socket whose peer keeps its side open', async () => {
  await using world = await host();
  await using _server = serve(world.http);
  for (const target of ['/elsewhere', '/hub?id=nobody']) {
    const socket = connect({ port: world.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.resume();
    socket.write(upgradeLines(target));
    await once(socket, 'end');
    await expect.poll(() => new Promise((resolve) => world.http.getConnections((_error, count) => resolve(count)))).toBe(0);
    socket.destroy();
  }
});

it('gives the server back when it is closed, whatever order', async () => {
  await using world = await host(text('yours'));
  const first = serve(world.http, '/one', one);
  const second = serve(world.http, '/two', two);
  const client = await RawClient.open(world.port, { path: '/one' });
  await first.close();
  expect(await client.closed).toBe(1001);
  expect(await world.get('/one')).toBe('yours');
  expect(await world.negotiate('/two')).toBe(200);
  await second.close();
  expect(await world.get('/two')).toBe('yours');
  expect(world.http.listenerCount('upgrade')).toBe(0);
  expect(world.http.listening).toBe(true);
});

it('hosts hubs on paths of their own', async () => {
  await using server = createHubServer();
  server.hub(one, { path: '/one', methods: { echo: async () => 'one' } });
  server.hub(two, { path: '/two', methods: { echo: async () => 'two' } });
  const port = await server.listen(0);
  await using a = await RawClient.open(port, { path: '/one' });
  await using b = await RawClient.open(port, { path: '/two' });
  expect([(await a.call('echo')).result, (await b.call('echo')).result]).toEqual(['one', 'two']);
});

it('refuses a name or a path twice', async () => {
  await using server = createHubServer();
  const methods = { echo: async (_ctx: unknown, value: unknown) => value };
  server.hub(one, { path: '/one', methods });
  expect(() => server.hub(one, { path: '/other', methods })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  expect(() => server.hub(two, { path: '/one', methods })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  server.hub(two, { path: '/two', methods });
});

it('opens no door on a node that takes no connections', async () => {
  await using server = createHubServer({ accept: false });
  server.hub(one, { path: '/hub', methods: { echo: async () => 1 } });
  const port = await server.listen(0);
  expect(await rawRequest(port, requestLines('POST', '/hub/negotiate', { connection: 'close' }))).toMatch(/^HTTP\/1.1 404 /);
  expect(await rawRequest(port, upgradeLines('/hub'))).toMatch(/^HTTP\/1.1 404 /);
});
