import { once } from 'node:events';
import { connect } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer, forbidden, type CloseReason, type HubOptions, type HubServerOptions } from '@hubline/server';
import { expect, it, vi } from 'vitest';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Echo {
  echo(value: unknown): Promise<unknown>;
  wait(): Promise<void>;
}
interface Receiver {
  said(text: string): void;
  confirm(question: string): Promise<boolean>;
}
type Options = Partial<HubOptions<Echo, Receiver, Record<never, never>, Record<never, never>>>;
const contract = defineHub<Echo, Receiver>('echo');

async function start(options: Options = {}, serverOptions: HubServerOptions = {}, clock?: TestClock) {
  const server = createHubServer(serverOptions, clock);
  const errors: unknown[] = [];
  const ended: CloseReason[] = [];
  server.on('error', (stage, error) => errors.push([stage, error]));
  const hub = server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      wait: (ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', () => resolve())),
    },
    disconnected: (_ctx, reason) => void ended.push(reason),
    ...options,
  });
  const port = await server.listen(0, '127.0.0.1');
  return { server, hub, port, errors, ended, [Symbol.asyncDispose]: () => server.close() };
}

async function settles(promise: Promise<unknown>, timeout: number): Promise<void> {
  let done = false;
  void promise.then(() => (done = true));
  await expect.poll(() => done, { timeout }).toBe(true);
}

it('listen rejects if the port is taken, and the server may listen on another one', async () => {
  await using world = await start();
  await using other = createHubServer();
  await expect(other.listen(world.port, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(await other.listen(0)).toBeGreaterThan(0);
});

it('close returns one promise, and a closed server stays closed', async () => {
  await using world = await start();
  const first = world.server.close();
  expect(world.server.close()).toBe(first);
  await first;
  expect(world.server.health().status).toBe('closed');
  expect(() => world.server.hub(defineHub<Echo>('late'))).toThrow(expect.objectContaining({ code: 'shutdown' }));
  expect(() => world.server.connectionHandler('/late', () => undefined)).toThrow(expect.objectContaining({ code: 'shutdown' }));
  await expect(world.server.listen(0)).rejects.toMatchObject({ code: 'shutdown' });
  await expect(RawClient.open(world.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('close disconnects clients, lets them reconnect elsewhere, and waits for the hook `disconnected`', async () => {
  let saved = false;
  await using world = await start({
    async disconnected(_ctx, reason) {
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      saved = reason.code === 'shutdown';
    },
  });
  const client = await RawClient.open(world.port);
  await world.server.close();
  expect(saved).toBe(true);
  expect(client.messages).toEqual([{ type: 7, allowReconnect: true, code: 'shutdown' }]);
  expect(await client.closed).toBe(1001);
});

it('drain spreads the disconnects over spreadMs', async () => {
  const clock = new TestClock();
  await using world = await start({}, {}, clock);
  const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.open(world.port)));
  const left = () => clients.filter(({ socket }) => socket.readyState === socket.CLOSED).length;
  const draining = world.server.drain({ spreadMs: 4000 });
  await expect.poll(left).toBe(1);
  await clock.advance(1000);
  await expect.poll(left).toBe(2);
  await clock.advance(3000);
  await draining;
  await expect.poll(left).toBe(4);
});

it('the hook `connected` may call the client', async () => {
  const answers: boolean[] = [];
  await using world = await start({ connected: async (ctx) => void answers.push(await ctx.clients.caller.invoke.confirm('Ready?')) });
  await using client = await RawClient.open(world.port);
  client.send({ type: 1, invocationId: '1', target: 'echo', arguments: ['after'] });
  const asked = await client.until(() => client.messages.find(({ type }) => type === 1));
  client.send({ type: 3, invocationId: asked.invocationId, result: true });
  expect((await client.completion('1')).result).toBe('after');
  await vi.waitFor(() => expect(answers).toEqual([true]));
});

it('close does not wait for a client without a handshake', async () => {
  await using world = await start();
  const client = await RawClient.open(world.port, { handshake: null });
  await settles(world.server.close(), 2000);
  expect(await client.closed).toBe(1001);
});

it('a closing server refuses a client that is being authenticated', async () => {
  let letIn: () => void = () => undefined;
  const door = new Promise<void>((resolve) => (letIn = resolve));
  let asked = 0;
  await using world = await start({
    authenticate: async () => {
      asked++;
      await door;
      return {};
    },
  });
  const upgrade = rawRequest(world.port, upgradeLines('/hub'));
  const negotiate = rawRequest(world.port, requestLines('POST', '/hub/negotiate', { 'content-length': '0' }));
  await expect.poll(() => asked).toBe(2);
  const closing = world.server.close();
  letIn();
  await settles(closing, 2000);
  expect(await upgrade).toMatch(/^HTTP\/1.1 503 /);
  expect(await negotiate).toMatch(/^HTTP\/1.1 503 /);
});

it('close does not wait for requests whose authentication never ends or that never begin', async () => {
  let asked = 0;
  const authenticate = (): Promise<never> => {
    asked++;
    return new Promise(() => undefined);
  };
  await using world = await start({ authenticate }, { timeouts: { closeMs: 300 } });
  const silent = connect(world.port, '127.0.0.1');
  await once(silent, 'connect');
  const asks = [upgradeLines('/hub'), requestLines('POST', '/hub/negotiate', { 'content-length': '0' })].map((text) =>
    rawRequest(world.port, text).catch((error: unknown) => error),
  );
  await expect.poll(() => asked).toBe(2);
  await settles(world.server.close(), 3000);
  await Promise.all(asks);
  silent.destroy();
});

it('close cuts clients that do not answer the close within closeMs', async () => {
  await using world = await start();
  const client = await RawClient.open(world.port);
  client.pause();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let isClosed = false;
  void world.server.close().then(() => (isClosed = true));
  await vi.advanceTimersByTimeAsync(4_900);
  expect(isClosed).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  vi.useRealTimers();
  await expect.poll(() => isClosed).toBe(true);
  client.resume();
  await client.closed;
});

it('the server survives the reset of a request that is being authenticated', async () => {
  let letIn: () => void = () => undefined;
  let asked = 0;
  await using world = await start({
    authenticate: async () => {
      asked++;
      await new Promise<void>((resolve) => (letIn = resolve));
      return {};
    },
  });
  for (const text of [upgradeLines('/hub'), requestLines('POST', '/hub/negotiate', { 'content-length': '0' })]) {
    asked = 0;
    const socket = connect(world.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    await expect.poll(() => asked).toBe(1);
    socket.resetAndDestroy();
    await once(socket, 'close');
    await expect
      .poll(() => {
        letIn();
        return new Promise((resolve) => setImmediate(resolve));
      })
      .toBe(undefined);
  }
  expect(world.errors).toEqual([]);
});

it.each([
  'left',
  'left: leaving',
  'left: closed',
  'left: no code',
  'connection_lost',
  'disconnected',
  'invalid_message',
  'message_too_large',
])('the hook `disconnected` gets the reason why a connection ended: %s', async (why) => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  const acts: Record<string, () => void> = {
    left: () => client.send({ type: 7 }),
    'left: leaving': () => client.send({ type: 7, error: 'I have had enough.' }),
    'left: closed': () => client.socket.close(1000),
    'left: no code': () => client.socket.close(),
    connection_lost: () => client.reset(),
    disconnected: () => void world.hub.disconnect({ all: true }, 'Out!'),
    invalid_message: () => client.send({ type: 1, target: 7 }),
    message_too_large: () => client.send({ type: 1, target: 'x'.repeat(40_000), arguments: [] }),
  };
  acts[why]?.();
  await expect.poll(() => world.ended.length).toBe(1);
  const [{ code, error } = { code: 'none', error: undefined }] = world.ended;
  expect(code).toBe(why.split(':')[0]);
  if (why === 'left: leaving') expect(error?.message).toBe('I have had enough.');
  if (why === 'disconnected') {
    await client.closed;
    expect(client.messages).toEqual([
      { type: 7, error: 'Connection closed with an error. HublineError: Out!', allowReconnect: false, code: 'disconnected' },
    ]);
  }
  if (why === 'invalid_message') {
    expect(await client.closed).toBe(1000);
    expect(client.messages).toEqual([
      {
        type: 7,
        error: 'Connection closed with an error. HublineError: Invalid payload for Invocation message.',
        allowReconnect: false,
        code: 'invalid_message',
      },
    ]);
  }
  if (why.startsWith('left')) expect(await client.closed).toBe(1000);
  // As ASP.NET Core does, a Close message is answered with one.
  if (why === 'left' || why === 'left: leaving') expect(client.messages).toEqual([{ type: 7, allowReconnect: false }]);
});

it('the hook `disconnected` gets the code with which the program ended the connection', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  await world.hub.disconnect({ all: true }, { code: 'replaced' });
  await client.closed;
  const error = 'Connection closed with an error. HublineError: The server has ended the connection.';
  expect(client.messages).toEqual([{ type: 7, error, allowReconnect: false, code: 'disconnected', reason: 'replaced' }]);
  await expect.poll(() => world.ended.length).toBe(1);
  const [reason] = world.ended;
  expect(reason?.code === 'disconnected' && reason.error.details).toEqual({ reason: 'replaced' });
});

it('the hook `disconnected` runs without a call and without a hook `connected`', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  client.socket.terminate();
  await expect.poll(() => world.ended).toMatchObject([{ code: 'connection_lost' }]);
});

it('the hook `disconnected` does not run for a connection without a handshake', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port, { handshake: null });
  client.reset();
  await client.closed;
  await using other = await RawClient.open(world.port);
  other.reset();
  await expect.poll(() => world.ended.length).toBe(1);
  expect(world.server.health().connections).toBe(0);
});

it('the hook `connected` runs before the first call, and `disconnected` after it', async () => {
  const order: string[] = [];
  let go: () => void = () => undefined;
  await using world = await start({
    async connected() {
      order.push('connected');
      await new Promise<void>((resolve) => (go = resolve));
      order.push('ready');
    },
    disconnected: () => void order.push('disconnected'),
    methods: { echo: async () => void order.push('called'), wait: async () => undefined },
  });
  const client = await RawClient.open(world.port);
  client.send({ type: 1, target: 'echo', arguments: [] });
  await expect.poll(() => order).toEqual(['connected']);
  go();
  await expect.poll(() => order).toEqual(['connected', 'ready', 'called']);
  const other = await RawClient.open(world.port);
  await expect.poll(() => order.length).toBe(4);
  other.reset();
  await other.closed;
  await expect.poll(() => world.server.health().connections).toBe(1);
  go();
  await expect.poll(() => order.slice(3)).toEqual(['connected', 'ready', 'disconnected']);
  await client[Symbol.asyncDispose]();
});

it('an error of the hook `connected` ends the connection and is reported', async () => {
  const error = new Error('secret');
  await using world = await start({ connected: () => Promise.reject(error) });
  await using client = await RawClient.open(world.port);
  expect(await client.closed).toBe(1011);
  expect(client.messages).toEqual([{ type: 7, error: 'Connection closed with an error.', allowReconnect: true, code: 'internal' }]);
  await expect.poll(() => world.ended).toEqual([{ code: 'internal', error }]);
  expect(world.errors).toEqual([['connected', error]]);
});

it('an error for the client from the hook `connected` refuses the client for good', async () => {
  await using world = await start({ connected: () => Promise.reject(forbidden('You are banned.')) });
  await using client = await RawClient.open(world.port);
  await client.closed;
  expect(client.messages).toMatchObject([{ type: 7, allowReconnect: false, code: 'forbidden' }]);
  await expect.poll(() => world.ended).toMatchObject([{ code: 'forbidden', error: { message: 'You are banned.' } }]);
});

it("a client that does not announce Hubline gets ASP.NET Core's close message when the hook `connected` fails", async () => {
  await using world = await start({ connected: () => Promise.reject(new Error('secret')) });
  await using client = await RawClient.open(world.port, { handshake: { protocol: 'json', version: 1 } });
  await client.closed;
  expect(client.messages).toEqual([{ type: 7, error: 'Connection closed with an error.' }]); // as if it said allowReconnect: false
});

it('detailedErrors adds the error of the hook `connected` to the close message', async () => {
  await using world = await start({ connected: () => Promise.reject(new TypeError('secret')) }, { detailedErrors: true });
  await using client = await RawClient.open(world.port);
  await client.closed;
  expect(client.messages).toMatchObject([{ error: 'Connection closed with an error. TypeError: secret' }]);
});

it('a client that closes right behind its handshake runs no hook', async () => {
  const seen: string[] = [];
  await using world = await start({ connected: () => void seen.push('connected'), disconnected: () => void seen.push('disconnected') });
  await using client = await RawClient.open(world.port, { handshake: null });
  client.send({ protocol: 'json', version: 1 }, { type: 7 });
  await client.closed;
  await expect.poll(() => world.server.health().connections).toBe(0);
  expect(seen).toEqual([]);
});
