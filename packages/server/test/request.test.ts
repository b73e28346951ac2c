import { defineHub } from '@hubline/protocol';
import { createHubServer, type AuthenticationRequest, type HubServerOptions } from '@hubline/server';
import { expect, it, vi } from 'vitest';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';

const contract = defineHub<{ request(): Promise<unknown> }>('admin');

async function start(options: HubServerOptions = {}) {
  const server = createHubServer(options);
  const seen: AuthenticationRequest[] = [];
  server.hub(contract, {
    path: '/hubs/admin',
    authenticate: (request) => {
      seen.push(request);
      return {};
    },
    methods: { request: async ({ request }) => ({ ...request, url: request.url.href }) },
  });
  const port = await server.listen(0, '127.0.0.1');
  const negotiate = (headers: Record<string, string>, target = '/hubs/admin/negotiate'): Promise<string> =>
    rawRequest(port, requestLines('POST', target, { 'content-length': '0', connection: 'close', ...headers }));
  return { server, port, seen, negotiate, [Symbol.asyncDispose]: () => server.close() };
}

it.each([
  'x/hubs/public?',
  'x/hubs/public#',
  'x/..',
  'x?',
  'x#',
  'x\\hubs',
  'user@x',
  'user:password@x',
  'x y',
  'x\ty',
  '[::1',
  '::1',
  'x:port',
  'x:1:2',
  '%2f',
  'x:99999',
])('the host %j, which would change the path of the url, is refused, also from a proxy', async (host) => {
  await using world = await start({ trustProxy: true });
  for (const headers of [{ host }, { 'x-forwarded-host': host }] as const) {
    expect(await world.negotiate(headers)).toMatch(/^HTTP\/1.1 400 /);
    expect(await rawRequest(world.port, upgradeLines('/hubs/admin', headers))).toMatch(/^HTTP\/1.1 400 /);
  }
});

it.each(['x', 'x.example', 'a_b', '127.0.0.1:80', '[::1]', '[::1]:8080', 'x:', 'xn--bcher-kva.example'])(
  'the host %j is accepted',
  async (host) => {
    await using world = await start();
    expect(await world.negotiate({ host })).toMatch(/^HTTP\/1.1 200 /);
  },
);

it('an empty host means no host, as HTTP says', async () => {
  await using world = await start();
  expect(await world.negotiate({ host: '' })).toMatch(/^HTTP\/1.1 200 /);
  expect(world.seen[0]?.url.href).toBe('http://localhost/hubs/admin/negotiate');
});

it('a target in absolute form is accepted if its host is that of the request', async () => {
  await using world = await start();
  const target = 'http://x.example/hubs/admin/negotiate?a=1';
  expect(await world.negotiate({ host: 'x.example' }, target)).toMatch(/^HTTP\/1.1 200 /);
  expect(world.seen.map(({ path, url }) => [path, url.href])).toEqual([['/hubs/admin', target]]);
  for (const host of ['y.example', '']) expect(await world.negotiate({ host }, target)).toMatch(/^HTTP\/1.1 400 /);
  for (const other of [
    'http:///hubs/admin/negotiate',
    'http://user@x.example/hubs/admin/negotiate',
    'ftp://x.example/hubs/admin/negotiate',
  ])
    expect(await world.negotiate({ host: 'x.example' }, other)).toMatch(/^HTTP\/1.1 40[04] /);
  const upgrade = upgradeLines('http://x.example/hubs/admin', { host: 'x.example' });
  expect(await rawRequest(world.port, upgrade, (answer) => answer !== '')).toMatch(/^HTTP\/1.1 101 /);
});

it.each(['javascript', 'file', 'https://evil.example/?', 'h t'])('the scheme %j of a proxy is refused', async (scheme) => {
  await using world = await start({ trustProxy: true });
  expect(await world.negotiate({ 'x-forwarded-proto': scheme })).toMatch(/^HTTP\/1.1 400 /);
});

it('authenticate gets the name and the path of the hub', async () => {
  await using world = await start();
  await world.negotiate({ host: 'evil' }, '/hubs/admin/negotiate?x=/hubs/public');
  await using _client = await RawClient.open(world.port, { path: '/hubs/admin/' });
  expect(world.seen.map(({ hub, path }) => [hub, path])).toEqual([
    ['admin', '/hubs/admin'],
    ['admin', '/hubs/admin'],
  ]);
});

it('methods do not see the access token, the authorization header and the connection token', async () => {
  await using world = await start();
  const response = await fetch(`http://127.0.0.1:${world.port}/hubs/admin/negotiate?negotiateVersion=1`, { method: 'POST' });
  const { connectionToken } = (await response.json()) as { connectionToken: string };
  await using client = await RawClient.open(world.port, {
    path: '/hubs/admin',
    query: `room=a%20b&Access_Token=s3cret&ACCESS_TOKEN=s3cret2&ID=${connectionToken}&iD=again`,
    headers: { authorization: 'Bearer s3cret3', 'x-a': '1' },
  });
  const { result } = await client.call('request');
  expect(result).toMatchObject({ url: `http://127.0.0.1:${world.port}/hubs/admin?room=a+b`, hub: 'admin', headers: { 'x-a': '1' } });
  expect(JSON.stringify(result)).not.toMatch(new RegExp(`s3cret|authorization|again|${connectionToken}`));
  expect(world.seen.at(-1)?.token).toBe('s3cret3');
  expect(world.seen.at(-1)?.url.href).toBe(`http://127.0.0.1:${world.port}/hubs/admin?room=a+b`);
});

it('secrets in hundreds of spellings are removed from the query in one pass', async () => {
  await using world = await start();
  const spelling = (n: number): string => [...'access_token'].map((unit, at) => ((n >> at) & 1 ? unit.toUpperCase() : unit)).join('');
  const query = Array.from({ length: 800 }, (_, n) => `${spelling(n)}=${n}`).join('&');
  const removals = vi.spyOn(URLSearchParams.prototype, 'delete');
  await using _ = { [Symbol.asyncDispose]: async () => removals.mockRestore() };
  expect(await world.negotiate({}, `/hubs/admin/negotiate?${query}&x=1`)).toMatch(/^HTTP\/1.1 200 /);
  expect(world.seen).toMatchObject([{ token: '0', url: { search: '?x=1' } }]);
  expect(removals.mock.calls.length).toBeLessThan(10);
});

it('the request of a connection has one URL for all readers, and a copy of the request has it too', async () => {
  const server = createHubServer();
  const urls: URL[] = [];
  server.hub(contract, {
    path: '/hub',
    methods: {
      async request({ request }) {
        const copy = { ...request };
        urls.push(request.url, request.url, copy.url);
        return Object.keys(copy);
      },
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  try {
    await using client = await RawClient.open(port, { query: 'room=a' });
    expect((await client.call('request')).result).toContain('url');
    expect(urls[0]?.searchParams.get('room')).toBe('a');
    expect(new Set(urls).size).toBe(1);
  } finally {
    await server.close();
  }
});
