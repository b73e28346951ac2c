import { expect, it, vi } from 'vitest';
import type { HublineError } from '../src/index.ts';
import { closes, drops, echoes, silent } from './plain-server.ts';
import { World } from './world.ts';

/** Waits until the client waits for its next attempt, and advances the clock to it. */
async function passWait(world: World): Promise<void> {
  await vi.waitFor(() => expect(world.connection.state.name).toBe('reconnecting'));
  world.clock.advance(world.clock.nextMs);
}

it('a connection does nothing before start', async () => {
  await using world = await World.open();
  expect(world.connection.state).toEqual({ name: 'idle' });
  await world.connection.stop();
  expect(world.connection.state).toEqual({ name: 'idle' });
  expect(world.server.negotiated).toEqual([]);
});

it('a connection emits each change of its state once', async () => {
  await using world = await World.started();
  await world.connection.stop();
  expect(world.emitted('state')).toEqual([
    [{ name: 'connecting', attempt: 0 }],
    [{ name: 'connected', connectionId: 'id-0' }],
    [{ name: 'closed' }],
  ]);
  expect(world.emitted('closed')).toEqual([[undefined]]);
  expect(world.connection.state).toEqual({ name: 'closed' });
});

it('stop sends a close message and waits until the socket is closed', async () => {
  await using world = await World.started();
  const client = world.server.last;
  await Promise.all([world.connection.stop(), world.connection.stop()]);
  expect(client.received).toEqual([{ type: 7 }]);
  expect(world.server.open).toBe(0);
  expect(world.emitted('closed')).toHaveLength(1);
});

it('concurrent calls of start open one socket', async () => {
  await using world = await World.open();
  await Promise.all([world.connection.start(), world.connection.start()]);
  await world.connection.start();
  expect(world.server.clients).toHaveLength(1);
});

it('a connection can be started again, also while it stops and from a listener', async () => {
  await using world = await World.started();
  const stopped = world.connection.stop();
  await world.connection.start();
  await stopped;
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-1' });
  let again: Promise<void> | undefined;
  const undo = world.connection.on('closed', () => {
    again = world.connection.start();
  });
  await world.connection.stop();
  undo();
  await again;
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-2' });
  expect(world.states).toEqual(['connecting', 'connected', 'closed', 'connecting', 'connected', 'closed', 'connecting', 'connected']);
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
});

it('await using stops the connection at the end of its block', async () => {
  await using world = await World.open();
  {
    await using connection = world.connection;
    await connection.start();
  }
  expect(world.connection.state.name).toBe('closed');
});

it('stop ends a pending start, which rejects with cancelled', async () => {
  await using world = await World.open({ handshakes: () => null });
  const started = world.connection.start();
  const outcome = started.then(
    () => 'started',
    (error: HublineError) => error.code,
  );
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(1));
  await world.connection.stop();
  expect(await outcome).toBe('cancelled');
  expect(world.states).toEqual(['connecting', 'closed']);
  await vi.waitFor(() => expect(world.server.open).toBe(0));
});

it('the signal of start stops a connection that is connecting, and not later', async () => {
  await using world = await World.open({ handshakes: (_, n) => (n === 0 ? null : {}) });
  const first = new AbortController();
  const started = world.connection.start({ signal: first.signal });
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(1));
  first.abort();
  await expect(started).rejects.toMatchObject({ code: 'cancelled' });
  await expect(world.connection.start({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  const second = new AbortController();
  await world.connection.start({ signal: second.signal });
  second.abort();
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
});

it('a lost connection reconnects, with events and a new connection id', async () => {
  await using world = await World.started({ reconnect: { firstMs: 1 } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.emitted('reconnected')).toEqual([['id-1']]));
  expect(world.emitted('reconnecting')).toMatchObject([[{ code: 'connection_lost', details: { closeCode: 1006 } }]]);
  expect(world.emitted('state').slice(2)).toMatchObject([
    [{ name: 'reconnecting', attempt: 1, cause: { code: 'connection_lost' } }],
    [{ name: 'connected', connectionId: 'id-1' }],
  ]);
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
});

it('a connection reconnects without end, with growing delays and one attempt at a time', async () => {
  let refuse = false;
  let open = 0;
  let most = 0;
  const delays: number[] = [];
  await using world = await World.started({
    manualClock: true,
    negotiates: () => {
      most = Math.max(most, ++open);
      setImmediate(() => open--);
      return refuse ? 503 : undefined;
    },
    reconnect: { firstMs: 100, maxMs: 1_000, random: () => 0.5 },
  });
  refuse = true;
  world.server.last.drop();
  for (let i = 0; i < 6; i++) {
    await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', attempt: i + 1 }));
    delays.push(world.clock.nextMs);
    if (i === 5) refuse = false;
    await passWait(world);
  }
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  expect(delays).toEqual([50, 100, 200, 400, 500, 500]);
  expect(world.emitted('reconnecting')).toHaveLength(1);
  expect(most).toBe(1);
});

it('the number of attempts starts again only after a connection has lasted', async () => {
  const attempts: number[] = [];
  await using world = await World.started({
    behaves: [drops, drops, silent],
    manualClock: true,
    reconnect: { nextDelayMs: ({ attempt }) => (attempts.push(attempt), 10) },
  });
  for (const clients of [2, 3]) {
    await passWait(world);
    await vi.waitFor(() => expect(world.server.clients).toHaveLength(clients));
    await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(clients - 1));
  }
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  world.clock.advance(5_000);
  world.server.last.drop();
  await vi.waitFor(() => expect(attempts).toEqual([0, 1, 0]));
});

it.each([
  ['a policy that gives up', { nextDelayMs: () => null }],
  ['false', false as const],
  ['a number of attempts', { attempts: 0 }],
])('a lost connection stays closed with %s', async (_, reconnect) => {
  await using world = await World.started({ reconnect });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'closed', cause: { code: 'connection_lost' } }));
  expect(world.emitted('reconnecting')).toEqual([]);
});

it('an error of the reconnect policy closes the connection and is its cause', async () => {
  const reconnect = {
    nextDelayMs: (): number => {
      throw new Error('Oops.');
    },
  };
  await using world = await World.started({ reconnect });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.states).toEqual(['connecting', 'connected', 'closed']));
  expect(world.connection.state).toMatchObject({ cause: { message: 'Oops.' } });
});

it('a failed first start is not retried by default', async () => {
  await using world = await World.open({ negotiates: () => 503 });
  await expect(world.connection.start()).rejects.toMatchObject({ code: 'negotiation_failed', details: { status: 503 } });
  expect(world.connection.state).toMatchObject({ name: 'closed', cause: { code: 'negotiation_failed' } });
  expect(world.server.negotiated).toHaveLength(1);
});

it('reconnect.initial retries the first start in the state connecting', async () => {
  await using world = await World.open({ negotiates: (_, n) => (n < 2 ? 503 : undefined), reconnect: { initial: true, firstMs: 1 } });
  await world.connection.start();
  expect(world.emitted('state')).toMatchObject([
    [{ name: 'connecting', attempt: 0 }],
    [{ name: 'connecting', attempt: 1 }],
    [{ name: 'connecting', attempt: 2 }],
    [{ name: 'connected' }],
  ]);
  expect(world.emitted('reconnected')).toEqual([]);
});

it('a connection that the server closed reconnects only if allowReconnect is set', async () => {
  await using world = await World.started({ behaves: [closes({ allowReconnect: true }), silent], reconnect: { firstMs: 1 } });
  await vi.waitFor(() => expect(world.states).toEqual(['connecting', 'connected', 'reconnecting', 'connected']));

  await using other = await World.started({ behaves: closes({ error: 'You were removed.', code: 'disconnected' }) });
  await vi.waitFor(() =>
    expect(other.connection.state).toMatchObject({ name: 'closed', cause: { code: 'disconnected', message: 'You were removed.' } }),
  );
  expect(other.emitted('closed')).toMatchObject([[{ code: 'disconnected' }]]);

  await using third = await World.started({ behaves: closes({}) });
  await vi.waitFor(() => expect(third.connection.state).toMatchObject({ name: 'closed', cause: { code: 'disconnected' } }));
});

it("a closed connection has the server's code and reason as its cause", async () => {
  await using world = await World.started({ behaves: closes({ error: 'No.', code: 'unauthorized' }) });
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ cause: { code: 'unauthorized' } }));
  await using other = await World.started({ behaves: closes({ error: 'No.', code: 'from_the_future' }) });
  await vi.waitFor(() => expect(other.connection.state).toMatchObject({ cause: { code: 'from_the_future' } }));
  await using third = await World.started({ behaves: closes({ error: 'No.', code: 'disconnected', reason: 'banned' }) });
  await vi.waitFor(() => expect(third.connection.state).toMatchObject({ cause: { code: 'disconnected', details: { reason: 'banned' } } }));
});

// A first version of this loop emitted `connecting` once more after `stop`, as other clients do.
it('a connection that is stopped while it waits to reconnect stays closed', async () => {
  await using world = await World.started({ manualClock: true, negotiates: (_, n) => (n > 0 ? 503 : undefined) });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state.name).toBe('reconnecting'));
  await world.connection.stop();
  expect(world.connection.state).toEqual({ name: 'closed' });
  const seen = world.seen.length;
  world.wake();
  world.clock.advance(3_600_000);
  await expect(world.connection.invoke.echo()).rejects.toMatchObject({ code: 'connection_lost' });
  expect(world.seen).toHaveLength(seen);
  expect(world.server.negotiated).toHaveLength(1);
  expect(world.clock.size).toBe(0);
});

it('a connection that a listener stops in any state stays closed', async () => {
  for (const state of ['connecting', 'connected', 'reconnecting'] as const) {
    await using world = await World.open({ behaves: drops });
    world.connection.on('state', ({ name }) => void (name === state && world.connection.stop()));
    await world.connection.start().catch(() => {});
    await vi.waitFor(() => expect(world.connection.state).toEqual({ name: 'closed' }));
    expect(world.states.filter((name) => name === state)).toHaveLength(1);
    expect(world.states.at(-1)).toBe('closed');
    await vi.waitFor(() => expect(world.server.open).toBe(0));
  }
});

// In some reconnects SignalR's client 10.0.11 drops sends silently, and `invoke` never settles (signalr-wire, fault C).
it('calls fail while the connection reconnects, and each send is reported lost', async () => {
  await using world = await World.started({ manualClock: true, negotiates: (_, n) => (n > 0 ? 503 : undefined) });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state.name).toBe('reconnecting'));
  await expect(world.connection.invoke.echo()).rejects.toMatchObject({ code: 'connection_lost' });
  world.connection.send.echo('x');
  expect(world.emitted('lost')).toMatchObject([[{ method: 'echo', error: { code: 'connection_lost' } }]]);
});

// SignalR's client 10.0.11 keeps the socket that it gave up, and receives its messages (signalr-wire, fault D).
it('a connection closes the socket that it gave up, and ignores its messages', async () => {
  const received: string[] = [];
  await using world = await World.started({ behaves: silent, manualClock: true, receiver: { said: (from) => void received.push(from) } });
  const old = world.server.last;
  old.pause();
  world.clock.advance(30_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
  old.send({ type: 1, target: 'said', arguments: ['ghost', ''] }, { type: 7 });
  await passWait(world);
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(2));
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  old.resume();
  old.send({ type: 1, target: 'said', arguments: ['ghost', ''] });
  await vi.waitFor(() => expect(world.server.open).toBe(1));
  world.server.last.send({ type: 1, target: 'said', arguments: ['ann', ''] });
  await vi.waitFor(() => expect(received).toEqual(['ann']));
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-1' });
});

it('an error of a listener is reported, and the connection continues', async () => {
  await using world = await World.open();
  world.connection.on('state', () => {
    throw new Error('Oops.');
  });
  world.connection.on('error', () => {
    throw new Error('Oops again.');
  });
  await world.connection.start();
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  expect(world.emitted('error')).toHaveLength(2);
});

it('a listener is called until it is removed', async () => {
  await using world = await World.open();
  const listener = vi.fn();
  const undo = world.connection.on('state', listener);
  const undoTwin = world.connection.on('state', listener);
  undo();
  undo();
  await world.connection.start();
  expect(listener).toHaveBeenCalledTimes(2);
  undoTwin();
  await world.connection.stop();
  expect(listener).toHaveBeenCalledTimes(2);
});

it('the logger gets each change of the state, and nothing is logged without one', async () => {
  const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  await using world = await World.started({ logger, reconnect: { firstMs: 1 } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(1));
  expect(logger.info.mock.calls).toMatchObject([
    ['test', { name: 'connecting' }],
    ['test', { name: 'connected' }],
    ['test', { name: 'connected' }],
  ]);
  expect(logger.warn.mock.calls).toMatchObject([['test', { name: 'reconnecting' }]]);
  world.server.last.send({ type: 7, error: 'Enough.' });
  await vi.waitFor(() => expect(logger.error.mock.calls).toMatchObject([['test', { name: 'closed', cause: { message: 'Enough.' } }]]));
});

it('an invalid message of the server ends the connection, which reconnects', async () => {
  await using world = await World.started({ behaves: [(client) => client.send([]), echoes], reconnect: { firstMs: 1 } });
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(1));
  expect(world.emitted('reconnecting')).toMatchObject([[{ code: 'invalid_message' }]]);
});

it.each([
  [
    'an error',
    { error: "The protocol 'json' is not supported." },
    { code: 'negotiation_failed', message: "The protocol 'json' is not supported." },
  ],
  ['a message', { type: 6 }, { code: 'invalid_message', message: 'Expected a handshake response from the server.' }],
  ['nonsense', 'x\u001e', { code: 'invalid_message' }],
])('start rejects if the handshake is answered with %s', async (_, answer, expected) => {
  await using world = await World.open({ handshakes: () => answer });
  await expect(world.connection.start()).rejects.toMatchObject(expected);
  await vi.waitFor(() => expect(world.server.open).toBe(0));
});

it('start rejects if the handshake is not answered within startTimeoutMs', async () => {
  await using world = await World.open({ handshakes: () => null, manualClock: true });
  const started = world.connection.start().catch((error: unknown) => error);
  await vi.waitFor(() => expect(world.server.open).toBe(1));
  await vi.waitFor(() => {
    world.clock.advance(1_000);
    expect(world.server.open).toBe(0);
  });
  expect(await started).toMatchObject({ code: 'timed_out', details: { timeoutMs: 15_000 } });
  await vi.waitFor(() => expect(world.server.open).toBe(0));
});

it('a stopped connection has no timer', async () => {
  await using world = await World.started({ manualClock: true });
  await world.connection.invoke.echo(1);
  expect(world.clock.size).toBe(1);
  await world.connection.stop();
  expect(world.clock.size).toBe(0);
});
