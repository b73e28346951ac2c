import { forbidden, unauthorized } from '@hubline/server';
import { expect, it } from 'vitest';
import { refusal, start } from './negotiate-world.ts';
import { RawClient, rawRequest, requestLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

it('version 1 is answered with a public id, a secret token, the transports and the affinity', async () => {
  await using world = await start();
  const response = await world.post('?negotiateVersion=1');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('cache-control')).toBe('no-store');
  const body = (await response.json()) as Record<string, string>;
  expect(body).toEqual({
    negotiateVersion: 1,
    connectionId: expect.stringMatching(/^[\w-]{22}$/) as string,
    connectionToken: expect.stringMatching(/^[\w-]{22}$/) as string,
    availableTransports: [
      { transport: 'WebSockets', transferFormats: ['Text', 'Binary'] },
      { transport: 'ServerSentEvents', transferFormats: ['Text'] },
      { transport: 'LongPolling', transferFormats: ['Text', 'Binary'] },
    ],
    affinity: { node: 'api-1', query: 'node', cookie: 'hubline_node' },
  });
  expect(body.connectionToken).not.toBe(body.connectionId);
});

it('connection ids start with the id of the process and never repeat', async () => {
  await using world = await start();
  const [self] = (await world.server.nodes()).items;
  const answers = await Promise.all(Array.from({ length: 20 }, () => world.negotiate()));
  for (const { connectionId } of answers) expect(connectionId.slice(0, 11)).toBe(self?.process);
  expect(new Set(answers.flatMap(({ connectionId, connectionToken }) => [connectionId, connectionToken])).size).toBe(40);
});

it.each(['', '?negotiateVersion=0'])(
  'version 0 is answered with the secret token as the id, and the public id opens nothing (%s)',
  async (query) => {
    await using world = await start();
    const body = await world.negotiate(query);
    expect(body).toMatchObject({ negotiateVersion: 0 });
    expect(body).not.toHaveProperty('connectionToken');
    await using client = await RawClient.open(world.port, { query: `id=${body.connectionId}` });
    const [publicId] = (await client.call('whoAmI')).result as [string];
    expect(publicId).not.toBe(body.connectionId);
    expect((await world.hub.presence.connections()).items.map(({ connectionId }) => connectionId)).toEqual([publicId]);
    for (const method of ['POST', 'GET', 'DELETE']) expect((await fetch(`${world.url}?id=${publicId}`, { method })).status).toBe(404);
  },
);

it('a higher version is answered with version 1, and parameter names are case-insensitive', async () => {
  await using world = await start();
  expect(await world.negotiate('?NEGOTIATEversion=7')).toMatchObject({ negotiateVersion: 1 });
  expect(await world.negotiate('?negotiateVersion=99999999999999999999')).toMatchObject({ negotiateVersion: 1 });
});

it.each([
  ['x', 'The client requested a non-integer protocol version.'],
  ['', 'The client requested a non-integer protocol version.'],
  ['1.5', 'The client requested a non-integer protocol version.'],
  ['-1', "The client requested version '-1', but the server does not support this version."],
])('the version "%s" is answered with an error', async (version, error) => {
  await using world = await start();
  const response = await world.post(`?negotiateVersion=${version}`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ error });
});

it.each(['GET', 'PUT', 'DELETE', 'PATCH'])('negotiate by %s is answered with 405', async (method) => {
  await using world = await start();
  expect((await fetch(`${world.url}/negotiate`, { method })).status).toBe(405);
});

it.each([
  ['POST', 400, 'Connection ID required'],
  ['DELETE', 400, 'Connection ID required'],
  ['GET', 400, 'Connection ID required'],
  ['POST ?id=x', 404, 'No Connection with that ID'],
  ['DELETE ?id=x', 404, 'No Connection with that ID'],
  ['POST ?id=', 400, 'Connection ID required'],
  ['GET ?id=', 400, 'Connection ID required'],
  ['GET ?id=x', 404, 'No Connection with that ID'],
  ['GET ?id=x text/event-stream', 404, 'No Connection with that ID'],
  ['PUT ?id=x', 405, ''],
])("the hub's own path answers %s with %d", async (request, status, text) => {
  await using world = await start();
  const [method = '', query = '', accept = '*/*'] = request.split(' ');
  const response = await fetch(world.url + query, { method, headers: { accept } });
  expect([response.status, await response.text()]).toEqual([status, text]);
});

it('paths outside the hub are answered with 404', async () => {
  await using world = await start();
  for (const path of ['/', '/hub//', '/hub/x', '/hub/negotiate/x', '/negotiate', '/HUB', '//hub']) {
    expect((await fetch(`http://127.0.0.1:${world.port}${path}`)).status, path).toBe(404);
  }
});

it.each([
  [unauthorized('Who are you?'), 401, 'unauthorized'],
  [forbidden('Not you.'), 403, 'forbidden'],
])('an error for the client from authenticate is the answer to negotiate and to a WebSocket: %s', async (error, status, code) => {
  await using world = await start({
    authenticate: () => {
      throw error;
    },
  });
  const response = await world.post('');
  expect([response.status, response.headers.get('hubline-code'), await response.text()]).toEqual([status, code, error.message]);
  const refused = await refusal(world.port, '/hub');
  expect(refused).toMatchObject({ status, body: error.message });
  expect(refused.head).toContain(`hubline-code: ${code}`);
  expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
  expect(world.errors).toEqual([]);
});

it('any other error of authenticate is answered with 500 and reported, and its text is not sent', async () => {
  const error = new Error('database password is hunter2');
  await using world = await start({ authenticate: () => Promise.reject(error) });
  const response = await world.post('');
  expect([response.status, response.headers.get('hubline-code')]).toEqual([500, 'internal']);
  expect(await response.text()).not.toContain('hunter2');
  const refused = await refusal(world.port, '/hub');
  expect(refused.status).toBe(500);
  expect(refused.body).not.toContain('hunter2');
  expect(world.errors).toEqual([
    ['authenticate', error],
    ['authenticate', error],
  ]);
});

it('an invalid attribute from authenticate is answered with 500 and reported', async () => {
  await using world = await start({ attributes: { level: 'indexed' }, authenticate: () => ({ attributes: { level: NaN } }) });
  expect((await world.post('')).status).toBe(500);
  const error = expect.objectContaining({ code: 'invalid_option', details: { option: 'level' } }) as Error;
  expect(world.errors).toEqual([['authenticate', error]]);
});

it('authenticate gets the token of the header or the query, the url, the headers and the address', async () => {
  const seen: unknown[] = [];
  await using world = await start({
    authenticate: ({ token, url, headers, remoteAddress }) => {
      seen.push([token, url.pathname, url.searchParams.get('tenant'), headers['x-a'], remoteAddress]);
      return { userId: token ?? 'nobody' };
    },
  });
  await world.post('?tenant=t', { authorization: 'bearer  abc', 'x-a': '1' });
  await world.post('?access_token=xyz&tenant=t');
  await using client = await RawClient.open(world.port, { query: 'access_token=q' });
  expect(await client.call('whoAmI')).toMatchObject({ result: [expect.any(String), 'q'] });
  expect(seen).toEqual([
    ['abc', '/hub/negotiate', 't', '1', '127.0.0.1'],
    ['xyz', '/hub/negotiate', 't', undefined, '127.0.0.1'],
    ['q', '/hub', null, undefined, '127.0.0.1'],
  ]);
});

it('the public id does not open a connection', async () => {
  await using world = await start();
  const { connectionId } = await world.negotiate();
  expect(await refusal(world.port, `/hub?id=${connectionId}`)).toMatchObject({ status: 404 });
});

it('an unknown id is answered with 404, and the id of an open connection with 409', async () => {
  await using world = await start();
  const unknown = await refusal(world.port, '/hub?id=nobody');
  expect(unknown).toMatchObject({ status: 404, body: 'No Connection with that ID' });
  expect(unknown.head).toContain('hubline-code: connection_gone');
  const { connectionToken } = await world.negotiate();
  const first = await RawClient.open(world.port, { query: `id=${connectionToken}` });
  const second = await refusal(world.port, `/hub?id=${connectionToken}`);
  expect(second).toMatchObject({ status: 409, body: '' });
  expect(second.head).toContain('hubline-code: already_connected');
  await first[Symbol.asyncDispose]();
  await expect.poll(async () => (await refusal(world.port, `/hub?id=${connectionToken}`)).status).toBe(404);
});

it('of two WebSockets for one connection at the same time, one is accepted', async () => {
  let admit: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (admit = resolve));
  let waiting = 0;
  await using world = await start({
    authenticate: async ({ url }) => {
      if (url.pathname !== '/hub') return {};
      waiting++;
      await gate;
      return {};
    },
  });
  const { connectionToken } = await world.negotiate();
  const clients = [1, 2].map(() => new RawClient(world.port, { query: `id=${connectionToken}` }));
  for (const { socket } of clients) socket.on('error', () => undefined);
  await expect.poll(() => waiting).toBe(2);
  admit();
  await Promise.race(clients.map(({ closed }) => closed));
  const left = clients.filter(({ socket }) => socket.readyState === socket.OPEN);
  expect(left).toHaveLength(1);
  left[0]?.send({ protocol: 'json', version: 1 });
  await expect.poll(() => left[0]?.records).toEqual([{}]);
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
});

it('a negotiated connection that is not opened within connectMs is forgotten', async () => {
  const clock = new TestClock();
  await using world = await start({}, { clock, timeouts: { connectMs: 5000 } });
  const early = await world.negotiate();
  await clock.advance(4000);
  await using client = await RawClient.open(world.port, { query: `id=${early.connectionToken}` });
  const late = await world.negotiate();
  await clock.advance(6000);
  expect(await refusal(world.port, `/hub?id=${late.connectionToken}`)).toMatchObject({ status: 404 });
  expect((await client.call('echo', 1)).result).toBe(1);
});

it.each(['a b', '[', 'x:99999', '%'])('the Host "%s" is answered with 400', async (host) => {
  await using world = await start();
  const lines = requestLines('POST', '/hub/negotiate', { host, 'content-length': '0', connection: 'close' });
  expect(await rawRequest(world.port, lines)).toMatch(/^HTTP\/1.1 400 /);
  expect(await refusal(world.port, '/hub', { host })).toMatchObject({ status: 400 });
  expect(world.errors).toEqual([]);
});

it('a failed upgrade leaves no connection and no timer', async () => {
  const clock = new TestClock();
  let admit: (() => void) | undefined;
  await using world = await start(
    {
      authenticate: async ({ token }) => {
        if (token === 'slow') await new Promise<void>((resolve) => (admit = resolve));
        return {};
      },
    },
    { clock },
  );
  for (const wrong of [{ 'sec-websocket-key': 'short' }, { 'sec-websocket-version': '7' }]) {
    const { status } = await refusal(world.port, '/hub', wrong);
    expect([400, 426]).toContain(status);
  }
  const gone = new RawClient(world.port, { query: 'access_token=slow' });
  gone.socket.on('error', () => undefined);
  await expect.poll(() => admit).toBeDefined();
  gone.socket.terminate();
  await gone.closed;
  admit?.();
  expect(await refusal(world.port, '/hub?id=nobody')).toMatchObject({ status: 404 });
  expect(clock.size).toBe(0);
  expect(world.server.health().connections).toBe(0);
});

it.each([
  ['no object', 'https://other.example'],
  ['an empty object', {}],
  ['a url that is none', { url: 5 }],
  ['an empty url', { url: '' }],
  ['a bigint', { url: '/x', accessToken: 5n }],
])('the answer is 500 if redirect returns %s, which is reported', async (_what, given) => {
  await using world = await start({ redirect: () => given as { url: string } });
  const response = await world.post('?negotiateVersion=1');
  expect([response.status, await response.text()]).toEqual([500, 'The server failed to answer.']);
  expect(world.errors).toMatchObject([['redirect', { code: 'invalid_option', details: { option: 'redirect' } }]]);
});

it('a redirect is answered with its url and token and nothing else', async () => {
  const given = { url: 'https://other.example', accessToken: 't', secret: 's' };
  await using world = await start({ redirect: () => given });
  expect(await (await world.post('?negotiateVersion=1')).json()).toEqual({ url: 'https://other.example', accessToken: 't' });
});

it('redirect may return null, and an accessToken of null', async () => {
  await using here = await start({ redirect: () => null as never });
  expect(await (await here.post('?negotiateVersion=1')).json()).toHaveProperty('connectionToken');
  await using elsewhere = await start({ redirect: () => ({ url: 'https://other.example', accessToken: null as never }) });
  expect(await (await elsewhere.post('?negotiateVersion=1')).json()).toEqual({ url: 'https://other.example' });
});
