import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubServerOptions } from '@hubline/server';
import { expect, it } from 'vitest';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';

const contract = defineHub<{ where(): Promise<unknown> }>('affinity');

async function start(options: HubServerOptions = {}) {
  const server = createHubServer({ nodeId: 'api 1', ...options });
  server.hub(contract, {
    path: '/hub',
    origins: '*',
    methods: {
      where: async ({ request: { url, headers, cookies, remoteAddress } }) => [url.href, headers['x-a'], cookies.a, remoteAddress],
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  const ask = (method: string, target: string, headers: Record<string, string> = {}) =>
    rawRequest(port, requestLines(method, target, { connection: 'close', 'content-length': '0', ...headers }));
  return { server, port, ask, [Symbol.asyncDispose]: () => server.close() };
}

const cookieOf = (answer: string): string | undefined => /^set-cookie: (.*)\r$/im.exec(answer)?.[1];
const NEGOTIATE = '/hub/negotiate?negotiateVersion=1';
const COOKIE = 'hubline_node=api%201; Path=/; HttpOnly';
const HTTPS = { 'x-forwarded-proto': 'https' };

it.each([
  ['a client that is no browser', {}, `${COOKIE}; SameSite=Lax`],
  ['a page of the same origin', { 'sec-fetch-site': 'same-origin', origin: 'http://localhost' }, `${COOKIE}; SameSite=Lax`],
  ['a page of the same site, over HTTPS', { ...HTTPS, 'sec-fetch-site': 'same-site' }, `${COOKIE}; SameSite=Lax; Secure`],
  ['a page of another site, over HTTPS', { ...HTTPS, 'sec-fetch-site': 'cross-site' }, `${COOKIE}; SameSite=None; Secure; Partitioned`],
  ['a page of another site, over HTTP', { 'sec-fetch-site': 'cross-site', origin: 'http://other.example' }, undefined],
  [
    'an older browser on another host, over HTTPS',
    { ...HTTPS, origin: 'https://other.example' },
    `${COOKIE}; SameSite=None; Secure; Partitioned`,
  ],
  ['an older browser on another host, over HTTP', { origin: 'http://other.example' }, undefined],
  ['an older browser on another port', { origin: 'http://localhost:8080' }, `${COOKIE}; SameSite=Lax`],
])('negotiate sets the affinity cookie that %s keeps', async (_who, headers, cookie) => {
  await using world = await start({ trustProxy: true });
  const answer = await world.ask('POST', NEGOTIATE, headers);
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
  expect(cookieOf(answer)).toBe(cookie);
  expect(answer).toContain('"affinity":{"node":"api 1","query":"node","cookie":"hubline_node"}');
});

it('negotiate recognises HTTPS that ends at this server', async () => {
  await using world = await start();
  // An anonymous cipher needs no certificate.
  const anonymous = { ciphers: 'aNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;
  const tls = createServer(anonymous);
  world.server.attach(tls);
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect({ ...anonymous, host: '127.0.0.1', port: (tls.address() as AddressInfo).port, rejectUnauthorized: false });
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString('latin1'))).on('error', reject);
    socket.on('close', () => resolve(text));
    socket.write(requestLines('POST', NEGOTIATE, { connection: 'close', 'content-length': '0', 'sec-fetch-site': 'cross-site' }));
  });
  expect(cookieOf(answer)).toBe(`${COOKIE}; SameSite=None; Secure; Partitioned`);
  await new Promise((resolve) => tls.close(resolve));
});

it('the options of affinity name the cookie and the query parameter, and can turn the cookie off', async () => {
  await using named = await start({ affinity: { cookie: 'at', query: 'to', path: '/hub', domain: 'example.com' } });
  const answer = await named.ask('POST', NEGOTIATE);
  expect(cookieOf(answer)).toBe('at=api%201; Path=/hub; Domain=example.com; HttpOnly; SameSite=Lax');
  expect(answer).toContain('"affinity":{"node":"api 1","query":"to","cookie":"at"}');
  expect(await named.ask('GET', '/hub?id=x&to=api-2')).toContain('hubline-code: wrong_node');
  expect(await named.ask('GET', '/hub?id=x&node=api-2')).toContain('hubline-code: connection_gone');
  await using bare = await start({ affinity: { cookie: false } });
  const bareAnswer = await bare.ask('POST', NEGOTIATE);
  expect(cookieOf(bareAnswer)).toBeUndefined();
  expect(bareAnswer).toContain('"affinity":{"node":"api 1","query":"node"}');
});

it.each([
  ['a poll', 'GET', '/hub?id=x&node=api-2'],
  ['a stream', 'GET', '/hub?id=x&NODE=api-2'],
  ['a post', 'POST', '/hub?node=api-2&id=x'],
  ['a goodbye', 'DELETE', '/hub?id=x&node=api-2'],
])('the server answers %s for another node with wrong_node, and one for this node with connection_gone', async (_what, method, target) => {
  await using world = await start();
  const wrong = await world.ask(method, target);
  expect(wrong).toMatch(/^HTTP\/1.1 404 [^]*hubline-code: wrong_node\r\n[^]*No Connection with that ID/);
  expect(await world.ask(method, target.replace('api-2', 'api%201'))).toContain('hubline-code: connection_gone');
});

it('a WebSocket for another node opens no new connection', async () => {
  await using world = await start();
  const skipped = await rawRequest(world.port, upgradeLines('/hub?node=api-2'));
  expect(skipped).toMatch(/^HTTP\/1.1 404 [^]*hubline-code: wrong_node\r\n/);
  expect(await rawRequest(world.port, upgradeLines('/hub?id=x&node=api-2'))).toContain('hubline-code: wrong_node');
  await using here = await RawClient.open(world.port, { query: 'node=api%201' });
  expect((await here.call('where')).error).toBeUndefined();
});

it('a negotiation is answered whatever node it names, so that a client of a dead node can reconnect', async () => {
  await using world = await start();
  expect(await world.ask('POST', `${NEGOTIATE}&node=api-2`)).toMatch(/^HTTP\/1.1 200 [^]*"node":"api 1"/);
});

it("methods see the request's url and address as the client sent them to trusted proxies", async () => {
  const headers = {
    'x-forwarded-proto': 'http, https',
    'x-forwarded-host': 'evil.example, hubs.example',
    'x-forwarded-for': '1.1.1.1, 2.2.2.2',
    'x-a': '1',
    cookie: 'a=%7Bb%7D; a=c',
  };
  for (const [trustProxy, origin, address] of [
    [false, 'http://127.0.0.1', '127.0.0.1'],
    [true, 'https://hubs.example', '2.2.2.2'],
    [2, 'http://evil.example', '1.1.1.1'],
  ] as const) {
    await using world = await start({ trustProxy });
    await using client = await RawClient.open(world.port, { headers, query: 'tenant=t' });
    const url = trustProxy === false ? `${origin}:${world.port}` : origin;
    expect((await client.call('where')).result).toEqual([`${url}/hub?tenant=t`, '1', '{b}', address]);
  }
});

it('the server serves its hubs below pathPrefix and nowhere else', async () => {
  await using world = await start({ pathPrefix: '/app' });
  expect(await world.ask('POST', `/app${NEGOTIATE}`)).toMatch(/^HTTP\/1.1 200 /);
  expect(await world.ask('POST', NEGOTIATE)).toMatch(/^HTTP\/1.1 404 /);
  await using client = await RawClient.open(world.port, { path: '/app/hub' });
  expect((await client.call('where')).result).toContain(`http://127.0.0.1:${world.port}/app/hub`);
});
