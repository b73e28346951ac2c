import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { longPolling, serverSentEvents } from '../src/index.ts';
import { PlainHttp, type PlainHttpOptions, type Request } from './plain-http.ts';
import { silent } from './plain-server.ts';
import { collect, World, type WorldOptions } from './world.ts';

const isPost = ({ method }: Request): boolean => method === 'POST';
const isMessage = ({ method, body }: Request): boolean => method === 'POST' && body.includes('"type":1');

describe.each([
  ['server-sent events', serverSentEvents],
  ['long polling', longPolling],
] as const)('an HTTP connection over %s', (_, transport) => {
  const start = async ({ intercepts, ...options }: Partial<WorldOptions> & PlainHttpOptions = {}) => {
    const server = await PlainHttp.start({ ...options, ...(intercepts && { intercepts }) });
    const world = await World.open({ url: server.url, transports: [transport()], reconnect: { firstMs: 1 }, ...options });
    return {
      server,
      world,
      connection: world.connection,
      async [Symbol.asyncDispose]() {
        await world[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  };

  it('an HTTP connection carries calls, streams and uploads', async () => {
    await using setup = await start();
    const { connection } = setup;
    await connection.start();
    expect(await connection.invoke.echo('x', 1, '你\r\n好')).toEqual(['x', 1, '你\r\n好']);
    expect(await collect(connection.stream.count(1, 2, 3))).toEqual([1, 2, 3]);
    const lines = (async function* () {
      yield* [1, 2, 3];
    })();
    expect(await connection.invoke.import('room', lines)).toEqual([1, 2, 3]);
    expect(connection.state).toEqual({ name: 'connected', connectionId: 'id-0' });
  });

  it("an HTTP connection reads a bounded part of a POST's response", async () => {
    let written = 0;
    await using setup = await start({
      reconnect: false,
      intercepts: (request, response) => {
        if (!isMessage(request)) return false;
        const more = (): void => {
          for (let hasRoom = true; hasRoom && !response.destroyed; written++) hasRoom = response.write('x'.repeat(65_536));
        };
        response.on('drain', more);
        more();
        return true;
      },
    });
    await setup.connection.start();
    setup.connection.send.echo('x');
    await vi.waitFor(() => expect(setup.connection.state.name).toBe('closed'));
    expect(written).toBeLessThan(500);
  });

  it('an HTTP connection has at most one POST in flight', async () => {
    let hold: (() => void) | undefined;
    await using setup = await start({
      intercepts: (request, response) => {
        if (!isMessage(request) || hold) return false;
        hold = () => response.end();
        return true;
      },
    });
    await setup.connection.start();
    setup.connection.send.echo('first');
    await vi.waitFor(() => expect(hold).toBeDefined());
    const calls = [1, 2, 3].map((value) => setup.connection.invoke.echo(value));
    hold?.();
    expect(await Promise.all(calls)).toEqual([[1], [2], [3]]);
    const posts = setup.server.requests.filter(isPost);
    expect(posts.map(({ concurrent }) => concurrent.filter((method) => method === 'POST'))).toEqual(posts.map(() => []));
    expect(posts.filter(isMessage)).toHaveLength(2);
  });

  it('an HTTP connection sends the token, the headers of the user, its user agent and the affinity with every request', async () => {
    await using setup = await start({
      accessToken: () => 'secret',
      headers: { 'x-mine': 'yes' },
      negotiation: { affinity: { node: 'api-1', query: 'at' } },
    });
    await setup.connection.start();
    await setup.connection.invoke.echo(1);
    await setup.connection.stop();
    for (const { headers, url } of setup.server.requests) {
      expect(headers).toMatchObject({ authorization: 'Bearer secret', 'x-mine': 'yes', 'x-requested-with': 'XMLHttpRequest' });
      expect(headers['x-signalr-user-agent']).toMatch(/^Hubline\//);
      expect(Object.fromEntries(url.searchParams)).toEqual({ at: 'api-1', id: 'token-0' });
    }
  });

  it('an HTTP connection uses the given fetch, and sends credentials unless withCredentials is false', async () => {
    const fetch = vi.fn(globalThis.fetch);
    await using setup = await start({ fetch, withCredentials: false });
    await setup.connection.start();
    await setup.connection.invoke.echo(1);
    expect(new Set(fetch.mock.calls.map(([, init]) => init?.credentials))).toEqual(new Set(['same-origin']));
    await vi.waitFor(() => expect(setup.server.requests.length).toBe(fetch.mock.calls.length - 1));
    const including = vi.fn(globalThis.fetch);
    await using other = await start({ fetch: including });
    await other.connection.start();
    expect(new Set(including.mock.calls.map(([, init]) => init?.credentials))).toEqual(new Set(['include']));
  });

  it('an HTTP connection follows HTTP redirects', async () => {
    await using target = await PlainHttp.start();
    await using setup = await start({
      intercepts: ({ url }, response) => response.writeHead(307, { location: target.url + url.search }).end(),
    });
    await setup.connection.start();
    expect(await setup.connection.invoke.echo(1)).toEqual([1]);
    expect(target.methods).toEqual(setup.server.methods);
  });

  it('an HTTP connection requests a fresh token if a later request is refused, and continues', async () => {
    const asked: boolean[] = [];
    let valid = 'old';
    await using setup = await start({
      accessToken: ({ fresh }: { readonly fresh: boolean }) => (asked.push(fresh), fresh ? 'new' : 'old'),
      intercepts: ({ headers }, response) => headers.authorization !== `Bearer ${valid}` && response.writeHead(401).end(),
    });
    await setup.connection.start();
    valid = 'new';
    expect(await setup.connection.invoke.echo(1)).toEqual([1]);
    expect(asked.slice(0, 2)).toEqual([false, true]);
    expect(setup.world.states).toEqual(['connecting', 'connected']);
  });

  it('an HTTP connection does not send its own token after a negotiation that returned another', async () => {
    await using target = await PlainHttp.start({
      intercepts: ({ method }, response) => method === 'POST' && response.writeHead(401).end(),
    });
    await using setup = await start({
      accessToken: () => 'mine',
      negotiation: { url: target.url, accessToken: 'theirs' },
      reconnect: false,
    });
    await expect(setup.connection.start()).rejects.toThrow();
    expect(target.requests.length).toBeGreaterThan(1);
    expect(new Set(target.requests.map(({ headers }) => headers.authorization))).toEqual(new Set(['Bearer theirs']));
  });

  it.each([404, 413, 503])(
    'an HTTP connection is lost if a POST is answered with %i, fails its calls, and reconnects without the affinity',
    async (status) => {
      const affinity = { node: 'api-1', query: 'node' };
      let refused = false;
      await using setup = await start({
        negotiation: { affinity },
        intercepts: (request, response) => !refused && isMessage(request) && (refused = true) && response.writeHead(status).end('No.'),
      });
      await setup.connection.start();
      await expect(setup.connection.invoke.echo(1)).rejects.toMatchObject({ code: 'connection_lost', cause: { details: { status } } });
      await vi.waitFor(() => expect(setup.world.emitted('reconnected')).toEqual([['id-1']]));
      expect(await setup.connection.invoke.echo(2)).toEqual([2]);
      expect(setup.server.negotiated.map(({ url }) => url.searchParams.get('node'))).toEqual([null, null]);
      // The request by which the lost connection received is closed.
      await vi.waitFor(() => expect(setup.server.open).toBe(1));
    },
  );

  it('an HTTP connection is lost if a POST is not answered in time', async () => {
    await using setup = await start({ intercepts: isMessage, transports: [transport({ timeoutMs: 1500 })], reconnect: false });
    // Pings of the server, so that only the POST can time out.
    const keepAlive = setInterval(() => setup.server.clients[0]?.send({ type: 6 }), 100);
    await setup.connection.start();
    await expect(setup.connection.invoke.echo(1)).rejects.toMatchObject({
      code: 'connection_lost',
      cause: { message: 'No answer in 1500 ms.' },
    });
    clearInterval(keepAlive);
    await vi.waitFor(() => expect(setup.server.open).toBe(0));
  });

  it('an HTTP connection is lost if the server disappears, and tries the same node first when it reconnects', async () => {
    const affinity = { node: 'api-1', query: 'node' };
    await using setup = await start({ negotiation: { affinity } });
    await setup.connection.start();
    await vi.waitFor(() => setup.server.response);
    for (const socket of setup.server.sockets) socket.destroy();
    await vi.waitFor(() => expect(setup.world.emitted('reconnected')).toEqual([['id-1']]));
    expect(setup.world.emitted('reconnecting')).toMatchObject([[{ code: 'connection_lost' }]]);
    expect(setup.server.negotiated.map(({ url }) => url.searchParams.get('node'))).toEqual([null, 'api-1']);
  });

  it('an HTTP connection is lost if the server ends it', async () => {
    await using setup = await start({ reconnect: false });
    await setup.connection.start();
    setup.server.last.close(1000);
    await vi.waitFor(() => expect(setup.connection.state).toMatchObject({ name: 'closed', cause: { code: 'connection_lost' } }));
    await vi.waitFor(() => expect(setup.server.open).toBe(0));
    // The server ended the connection itself, so the client sends no DELETE.
    expect(setup.server.methods).not.toContain('DELETE');
  });

  it('an HTTP connection closes if the server sends a close message', async () => {
    await using setup = await start();
    await setup.connection.start();
    setup.server.last.send({ type: 7, error: 'Enough.', code: 'disconnected' });
    await vi.waitFor(() =>
      expect(setup.connection.state).toMatchObject({ name: 'closed', cause: { code: 'disconnected', message: 'Enough.' } }),
    );
    await vi.waitFor(() => expect(setup.server.open).toBe(0));
  });

  it('an HTTP connection sends earlier messages and a close message when it is stopped, and leaves no request open', async () => {
    await using setup = await start({ behaves: silent });
    await setup.connection.start();
    setup.connection.send.echo('last');
    const call = setup.connection.invoke.echo('nobody answers');
    call.catch(() => {});
    await setup.connection.stop();
    await expect(call).rejects.toMatchObject({ code: 'connection_lost' });
    expect(setup.server.last.received).toMatchObject([{ arguments: ['last'] }, { type: 1 }, { type: 7 }]);
    await vi.waitFor(() => expect(setup.server.open).toBe(0));
    expect(setup.world.states).toEqual(['connecting', 'connected', 'closed']);
  });

  it('an HTTP connection stops within 4 s although no request is answered', async () => {
    let isMute = false;
    await using setup = await start({ intercepts: () => isMute });
    await setup.connection.start();
    isMute = true;
    setup.connection.send.echo('x');
    const before = Date.now(); // the duration is the promise: `stop` gives up after some seconds
    await setup.connection.stop();
    expect(Date.now() - before).toBeLessThan(4_000);
    await vi.waitFor(() => expect(setup.server.open).toBe(0));
  });

  it('an HTTP connection stops although the given fetch ignores its signal', async () => {
    const ignoresSignal: typeof globalThis.fetch = (input, init) => globalThis.fetch(input, { ...init, signal: null });
    let isMute = false;
    await using setup = await start({ intercepts: () => isMute, fetch: ignoresSignal });
    await setup.connection.start();
    isMute = true;
    setup.connection.send.echo('x');
    await setup.connection.stop();
    expect(setup.connection.state).toEqual({ name: 'closed' });
    for (const socket of setup.server.sockets) socket.destroy();
  });

  it('an HTTP connection can be stopped while it opens, and start rejects', async () => {
    await using setup = await start({ intercepts: () => true });
    const started = setup.connection.start();
    started.catch(() => {});
    await vi.waitFor(() => expect(setup.server.requests).toHaveLength(1));
    await setup.connection.stop();
    await expect(started).rejects.toMatchObject({ code: 'cancelled' });
    for (const { state } of setup.server.requests.filter(({ method }) => method === 'GET')) {
      await vi.waitFor(() => expect(state()).toBe('given up'));
    }
  });

  it('an HTTP connection ignores messages after it was given up', async () => {
    const received: string[] = [];
    await using setup = await start({ receiver: { said: (from) => void received.push(from) }, behaves: silent });
    await setup.connection.start();
    await vi.waitFor(() => setup.server.response);
    const old = setup.server.last;
    // The event arrives together with the close message, and must be ignored.
    old.send({ type: 7, allowReconnect: true }, { type: 1, target: 'said', arguments: ['ghost', ''] });
    old.send({ type: 1, target: 'said', arguments: ['ghost', ''] });
    await vi.waitFor(() => expect(setup.world.emitted('reconnected')).toHaveLength(1));
    old.send({ type: 1, target: 'said', arguments: ['ghost', ''] });
    setup.server.last.send({ type: 1, target: 'said', arguments: ['ann', ''] });
    await vi.waitFor(() => expect(received).toEqual(['ann']));
  });

  it('an HTTP connection rejects start with the status of a refused transport, and reads the response to its end', async () => {
    await using setup = await start({ intercepts: (_, response) => response.writeHead(500).end('x'.repeat(100_000)) });
    await expect(setup.connection.start()).rejects.toMatchObject({
      code: 'negotiation_failed',
      message: expect.stringContaining("Unexpected status code '500'.") as unknown,
    });
    expect(setup.server.open).toBe(0);
  });

  it('an HTTP connection stops after a refusal of a fresh token', async () => {
    const asked: boolean[] = [];
    await using setup = await start({
      accessToken: ({ fresh }: { readonly fresh: boolean }) => (asked.push(fresh), 'token'),
      intercepts: (_, response) => response.writeHead(403).end(),
      reconnect: { initial: true },
    });
    await expect(setup.connection.start()).rejects.toMatchObject({ code: 'forbidden', details: { status: 403 } });
    expect(asked).toEqual([false, true]);
  });

  it('an HTTP connection carries messages of any size in both directions', async () => {
    await using setup = await start();
    await setup.connection.start();
    for (const length of [20_000, 1_000_000]) {
      const text = 'ü👋'.repeat(length / 4);
      expect((await setup.connection.invoke.echo(text))[0] === text).toBe(true);
    }
  });

  it('an HTTP connection rejects start if no server listens', async () => {
    // Another server holds the port on IPv4, so that nothing else can listen on it.
    const taken = createServer().listen(0, '127.0.0.1');
    await vi.waitFor(() => expect(taken.address()).toBeTruthy());
    const { port } = taken.address() as AddressInfo;
    onTestFinished(() => new Promise((resolve) => taken.close(() => resolve())));
    await using setup = await start({ url: `http://[::1]:${port}/hub` });
    await expect(setup.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed' });
  });
});
