import { expect, it, vi } from 'vitest';
import type { Transport } from '../src/index.ts';
import { drops, offer, PlainServer, silent } from './plain-server.ts';
import { World } from './world.ts';

const failing = (name: Transport['name'], message: string): Transport => ({ name, open: () => Promise.reject(new Error(message)) });
const ALL = {
  availableTransports: ['LongPolling', 'ServerSentEvents', 'WebSockets'].map((transport) => ({ transport, transferFormats: ['Text'] })),
};

it("negotiate is a POST of version 1 with the user's query, and the connection uses the secret token", async () => {
  await using world = await World.started({ path: '/?room=a%20b&x=1', headers: { 'x-mine': 'yes' } });
  const [asked] = world.server.negotiated;
  expect(asked?.method).toBe('POST');
  expect(asked?.url.pathname).toBe('/hub/negotiate');
  expect(Object.fromEntries(asked?.url.searchParams ?? [])).toEqual({ room: 'a b', x: '1', negotiateVersion: '1' });
  expect(asked?.headers['x-mine']).toBe('yes');
  const [upgraded] = world.server.upgraded;
  expect(upgraded?.url.pathname).toBe('/hub');
  expect(Object.fromEntries(upgraded?.url.searchParams ?? [])).toEqual({ room: 'a b', x: '1', id: 'token-0' });
  expect(upgraded?.headers['x-mine']).toBe('yes');
  expect(world.server.last.handshake).toEqual({ protocol: 'json', version: 1, hubline: 1 });
});

it('a server of version 0 is connected with its only id', async () => {
  const answer = { negotiateVersion: 0, connectionToken: 'not me' };
  await using world = await World.started({ negotiates: (_, n) => offer(n, answer) });
  expect(world.server.last.url.searchParams.get('id')).toBe('id-0');
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-0' });
});

it('redirects are followed with their token, and a reconnect starts at the first address', async () => {
  await using other = await PlainServer.start();
  const accessToken = vi.fn(() => 'mine');
  await using world = await World.started({
    accessToken,
    negotiates: (_, n) => (n % 2 === 0 ? { url: '/elsewhere?a=1', accessToken: 'theirs' } : { url: `${other.url}?b=2` }),
  });
  const path = [...world.server.negotiated, ...other.negotiated, ...other.upgraded].map(({ url, headers }) => [
    url.pathname + url.search,
    headers.authorization,
  ]);
  expect(path).toEqual([
    ['/hub/negotiate?negotiateVersion=1', 'Bearer mine'],
    ['/elsewhere/negotiate?a=1&negotiateVersion=1', 'Bearer theirs'],
    // The token is not sent to another origin.
    ['/hub/negotiate?b=2&negotiateVersion=1', undefined],
    ['/hub?b=2&id=token-0', undefined],
  ]);
  other.last.drop();
  await vi.waitFor(() => expect(other.clients).toHaveLength(2));
  expect(world.server.negotiated[2]).toMatchObject({ headers: { authorization: 'Bearer mine' } });
});

it('a negotiation follows 100 redirects', { timeout: 30_000 }, async () => {
  await using world = await World.open({ negotiates: () => ({ url: '/hub' }) });
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'negotiation_failed',
    message: 'Too many redirects.',
  });
  expect(world.server.negotiated).toHaveLength(100);
});

it.each([
  [401, 'unauthorized', "Unexpected status code '401'."],
  [403, 'forbidden', "Unexpected status code '403'."],
  [404, 'negotiation_failed', 'Either this is not a SignalR endpoint or there is a proxy blocking the connection.'],
  [500, 'negotiation_failed', "Unexpected status code '500'."],
  [204, 'negotiation_failed', "Unexpected status code '204'."],
])('start rejects if negotiate is answered with the status %i', async (status, code, message) => {
  await using world = await World.open({ negotiates: () => status });
  await expect(world.connection.start()).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message) as string,
    details: { status, url: `${world.server.url}/negotiate` },
  });
});

it.each([
  [{ error: 'Not today.' }, { code: 'negotiation_failed', message: expect.stringMatching(/^Not today\. \(http:.*negotiate\)$/) as string }],
  [
    { error: 'Not you.', code: 'forbidden' },
    { code: 'forbidden', message: expect.stringContaining('Not you.') as string },
  ],
  [{}, { code: 'negotiation_failed' }],
  [[], { code: 'negotiation_failed' }],
  [{ connectionId: 'a', availableTransports: 'all' }, { code: 'negotiation_failed' }],
  [{ url: 'http://' }, { code: 'negotiation_failed' }],
])('start rejects if negotiate is answered with %j', async (answer, expected) => {
  await using world = await World.open({ negotiates: () => answer });
  await expect(world.connection.start()).rejects.toMatchObject(expected);
  expect(world.server.upgraded).toEqual([]);
});

it('start rejects if no server listens, and if negotiate is not answered in time', async () => {
  const server = await PlainServer.start();
  const { url } = server;
  await server[Symbol.asyncDispose]();
  await using world = await World.open({ url });
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'negotiation_failed',
    message: expect.stringMatching(
      /^No answer: fetch failed \(connect ECONNREFUSED 127\.0\.0\.1:\d+\)\. \(http:.*\/hub\/negotiate\)$/,
    ) as string,
    cause: expect.any(TypeError) as unknown,
  });
  const fetch = (_url: unknown, { signal }: RequestInit = {}): Promise<Response> =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
  await using patient = await World.open({ fetch, startTimeoutMs: 50 });
  await expect(patient.connection.start()).rejects.toMatchObject({ code: 'timed_out' });
});

it('the token is sent as a header in Node', async () => {
  await using world = await World.started({ accessToken: async () => 'secret' });
  for (const { url, headers } of [...world.server.negotiated, ...world.server.upgraded]) {
    expect(headers.authorization).toBe('Bearer secret');
    expect(url.search).not.toContain('secret');
  }
});

it('a refused token is requested fresh once, and a second refusal closes the connection', async () => {
  const asked: boolean[] = [];
  const accessToken = ({ fresh }: { readonly fresh: boolean }): string => (asked.push(fresh), fresh ? 'new' : 'old');
  const negotiates = ({ headers }: { headers: { authorization?: string | undefined } }): number | undefined =>
    headers.authorization === 'Bearer old' ? 401 : undefined;
  await using _world = await World.started({ accessToken, negotiates });
  expect(asked).toEqual([false, true]);

  await using other = await World.open({ accessToken, negotiates: () => 403, reconnect: { initial: true } });
  await expect(other.connection.start()).rejects.toMatchObject({ code: 'forbidden' });
  expect(other.server.negotiated).toHaveLength(2);
  expect(other.states).toEqual(['connecting', 'closed']);
});

it('a reconnect that is refused with a fresh token closes the connection', async () => {
  const asked: boolean[] = [];
  await using world = await World.started({
    accessToken: ({ fresh }) => (asked.push(fresh), 'token'),
    negotiates: (_, n) => (n > 0 ? 401 : undefined),
    reconnect: { firstMs: 1 },
  });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'closed', cause: { code: 'unauthorized' } }));
  expect(asked).toEqual([false, false, true]);
});

it('a refused upgrade closes the connection', async () => {
  await using world = await World.open({ upgrades: () => 401, reconnect: { initial: true } });
  await expect(world.connection.start()).rejects.toMatchObject({ code: 'unauthorized', details: { status: 401 } });
});

it('an error of accessToken fails the first start, and delays a reconnect', async () => {
  let broken = true;
  const accessToken = (): string => {
    if (broken) throw new Error('No network.');
    return 'token';
  };
  await using world = await World.open({ accessToken, reconnect: { firstMs: 1 } });
  await expect(world.connection.start()).rejects.toThrow('No network.');
  broken = false;
  await world.connection.start();
  broken = true;
  world.server.last.drop();
  await vi.waitFor(() => expect(world.states.filter((name) => name === 'reconnecting').length).toBeGreaterThan(2));
  broken = false;
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
});

it('stop ends a pending accessToken', async () => {
  await using world = await World.open({ accessToken: () => new Promise<string>(() => {}) });
  const started = world.connection.start();
  started.catch(() => {});
  await world.connection.stop();
  await expect(started).rejects.toMatchObject({ code: 'cancelled' });
});

it('skipNegotiation opens the WebSocket without an id', async () => {
  await using world = await World.started({ skipNegotiation: true });
  expect(world.server.negotiated).toEqual([]);
  expect(world.server.last.url.search).toBe('');
  expect(world.connection.state).toEqual({ name: 'connected' });
});

it('skipNegotiation takes the connection id and the node from each handshake of a Hubline server', async () => {
  const handshakes = (_: unknown, n: number) => ({ hubline: 1, connectionId: `id-${n}`, node: `node-${n}` });
  await using world = await World.started({ skipNegotiation: true, handshakes, reconnect: { firstMs: 1 } });
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-0', node: 'node-0' });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.emitted('reconnected')).toEqual([['id-1']]));
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-1', node: 'node-1' });
  expect(world.server.negotiated).toEqual([]);
});

it('skipNegotiation requests a fresh token after each failed attempt, whose reason pages do not see', async () => {
  const asked: boolean[] = [];
  await using world = await World.started({
    skipNegotiation: true,
    accessToken: ({ fresh }) => (asked.push(fresh), 'token'),
    upgrades: (_, n) => (n > 0 && n < 3 ? 503 : undefined),
    reconnect: { firstMs: 1 },
  });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(1));
  expect(asked).toEqual([false, true, true, true]);
});

it('transports are tried in the order of the server, with a negotiation each', async () => {
  const tried: string[] = [];
  const spy = (name: Transport['name']): Transport => ({
    name,
    open: ({ url }) => (tried.push(`${name} ${url.searchParams.get('id')}`), Promise.reject(new Error(`${name} broke.`))),
  });
  const transports = [spy('ServerSentEvents'), spy('LongPolling')];
  await using world = await World.open({ transports, negotiates: (_, n) => offer(n, ALL) });
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'negotiation_failed',
    message: 'LongPolling broke. ServerSentEvents broke.',
    cause: { errors: [{ message: 'LongPolling broke.' }, { message: 'ServerSentEvents broke.' }] },
  });
  expect(tried).toEqual(['LongPolling token-0', 'ServerSentEvents token-1']);
});

it('the client falls back to the next transport', async () => {
  const { webSockets } = await import('../src/index.ts');
  const transports = [webSockets(), failing('LongPolling', 'Not today.')];
  await using world = await World.started({ transports, negotiates: (_, n) => offer(n, ALL) });
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-1' });
});

it('start rejects if client and server have no transport in common', async () => {
  await using world = await World.open({ transports: [failing('LongPolling', '')] });
  await expect(world.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed' });
  const binaryOnly = { availableTransports: [{ transport: 'WebSockets', transferFormats: ['Binary'] }] };
  await using other = await World.open({ negotiates: (_, n) => offer(n, binaryOnly) });
  await expect(other.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed' });
  expect(other.server.upgraded).toEqual([]);
});

it('a reconnect names its node, and no longer after a refusal', async () => {
  let refuse = false;
  const affinity = { node: 'api-1', query: 'node' };
  await using world = await World.started({
    negotiates: ({ url }, n) => (refuse && url.searchParams.has('node') ? 503 : offer(n, { affinity })),
    reconnect: { firstMs: 1 },
    behaves: silent,
  });
  const nodes = (): (string | null)[] => world.server.negotiated.map(({ url }) => url.searchParams.get('node'));
  expect(world.server.upgraded[0]?.url.searchParams.get('node')).toBe('api-1');
  world.server.last.drop();
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(1));
  expect(nodes()).toEqual([null, 'api-1']);
  refuse = true;
  world.server.last.drop();
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(2));
  expect(nodes()).toEqual([null, 'api-1', 'api-1', null]);
});

it('a reconnect does not name a node that does not know the connection or shuts down', async () => {
  const affinity = { node: 'api-1', query: 'node' };
  await using world = await World.started({
    negotiates: (_, n) => offer(n, { affinity }),
    upgrades: (_, n) => (n === 1 ? 404 : undefined),
    behaves: [drops, (client) => client.send({ type: 7, allowReconnect: true, code: 'shutdown' }), silent],
    reconnect: { firstMs: 1 },
  });
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(2));
  expect(world.server.negotiated.map(({ url }) => url.searchParams.get('node'))).toEqual([null, 'api-1', null, null]);
});

it('the given fetch and WebSocket are used', async () => {
  const { WebSocket } = await import('ws');
  const fetch = vi.fn(globalThis.fetch);
  const opened: string[] = [];
  class Spy extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      opened.push(String(args[0]));
    }
  }
  await using _world = await World.started({ fetch, WebSocket: Spy as never, withCredentials: false });
  expect(fetch).toHaveBeenCalledOnce();
  expect(fetch.mock.calls[0]?.[1]?.credentials).toBe('same-origin');
  expect(opened).toEqual([expect.stringMatching(/^ws:.*id=token-0$/)]);
});

it('a relative address is resolved by the page or the worker', async () => {
  await using world = await World.open();
  vi.stubGlobal('location', { href: new URL('/app/index.html', world.server.url).href });
  try {
    await using page = await World.open({ url: '/hub' });
    await page.connection.start();
  } finally {
    vi.unstubAllGlobals();
  }
  expect(world.server.clients).toHaveLength(1);
});
