import { expect, it, vi } from 'vitest';
import { silent, type Behaviour } from './plain-server.ts';
import { WebSocket } from 'ws';
import { World, type WorldOptions } from './world.ts';

const quiet: WorldOptions = { behaves: silent, manualClock: true, reconnect: { nextDelayMs: () => 1_000 } };
const pings = (world: World): number => world.server.last.received.filter(({ type }) => type === 6).length;

/** Sends an event and resolves when the client has received it. */
async function receiveEvent(world: World): Promise<void> {
  const received = new Promise<void>((resolve) => {
    const undo = world.connection.receive({
      said() {
        undo();
        resolve();
      },
    });
  });
  world.server.last.send({ type: 1, target: 'said', arguments: [] });
  await received;
}

it('the client pings after keepAliveMs without a message to the server', async () => {
  await using world = await World.started(quiet);
  world.clock.advance(14_999);
  world.connection.send.echo('x');
  world.clock.advance(14_999);
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  world.clock.advance(1);
  await vi.waitFor(() => expect(pings(world)).toBe(1));
});

it('the client gives up a connection after serverTimeoutMs without a message of the server', async () => {
  await using world = await World.started(quiet);
  world.clock.advance(29_999);
  expect(world.connection.state.name).toBe('connected');
  world.clock.advance(1);
  await vi.waitFor(() =>
    expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out', details: { timeoutMs: 30_000 } } }),
  );
});

it('any message of the server keeps the connection', async () => {
  await using world = await World.started(quiet);
  for (let i = 0; i < 4; i++) {
    world.clock.advance(20_000);
    await receiveEvent(world);
  }
  expect(world.connection.state.name).toBe('connected');
  world.clock.advance(30_000);
  await vi.waitFor(() => expect(world.connection.state.name).toBe('reconnecting'));
});

it('a message of the server triggers a due ping, since timers of a hidden page hardly run', async () => {
  await using world = await World.started(quiet);
  // No timer runs: only the clock and an event advance.
  vi.spyOn(world.clock, 'now').mockReturnValue(world.clock.now() + 8_000);
  await receiveEvent(world);
  await vi.waitFor(() => expect(pings(world)).toBe(1));
  await receiveEvent(world);
  expect(pings(world)).toBe(1);
});

it('a late timer makes the client ping before it gives up the connection', async () => {
  await using world = await World.started(quiet);
  world.clock.oversleep(120_000);
  expect(world.connection.state.name).toBe('connected');
  await vi.waitFor(() => expect(pings(world)).toBe(1));
  await receiveEvent(world);
  world.clock.advance(29_999);
  expect(world.connection.state.name).toBe('connected');
});

it('late timers make the client ping once before it gives up the connection', async () => {
  await using world = await World.started(quiet);
  world.clock.oversleep(120_000);
  world.clock.oversleep(60_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
});

it('a wake ends the wait before the next attempt', async () => {
  await using world = await World.started({ ...quiet, reconnect: { nextDelayMs: () => 30_000 } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', delayMs: 30_000 }));
  world.wake();
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
});

it('a wake makes the client ping a Hubline server, and give it up after 3 s without an answer', async () => {
  await using world = await World.started({ ...quiet, handshakes: () => ({ hubline: 1 }) });
  world.wake();
  await vi.waitFor(() => expect(pings(world)).toBe(1));
  world.clock.advance(2_999);
  expect(world.connection.state.name).toBe('connected');
  world.clock.advance(1);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
});

it('a wake keeps the connection of a Hubline server that answers the ping', async () => {
  const answersPings: Behaviour = (client) => (message) => {
    if (message.type === 6) client.send({ type: 6 });
  };
  await using world = await World.started({ ...quiet, behaves: answersPings, handshakes: () => ({ hubline: 1 }) });
  world.wake();
  world.wake();
  await vi.waitFor(() => expect(pings(world)).toBe(1));
  await receiveEvent(world);
  world.clock.advance(29_999);
  expect(world.connection.state.name).toBe('connected');
});

it('a wake gives a plain server 20 s for its next message if the runtime cannot send WebSocket pings', async () => {
  class WithoutPing extends WebSocket {
    override ping = undefined as never;
  }
  await using world = await World.started({ ...quiet, WebSocket: WithoutPing as never });
  world.wake();
  world.clock.advance(19_999);
  expect(world.connection.state.name).toBe('connected');
  await receiveEvent(world);
  world.wake();
  world.clock.advance(20_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting' }));
});

it('a wake has no effect before the start, while the client connects and after the stop', async () => {
  await using world = await World.open({ ...quiet, handshakes: () => null });
  world.wake();
  const started = world.connection.start().catch(() => {});
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(1));
  world.wake();
  expect(world.connection.state.name).toBe('connecting');
  await world.connection.stop();
  world.wake();
  await started;
  expect(world.connection.state).toEqual({ name: 'closed' });
  expect(world.server.last.received).toEqual([]);
});

it('a wake sends a WebSocket ping to a plain server if the runtime can, and its pong keeps the connection', async () => {
  await using world = await World.started({ ...quiet, pongs: true });
  const pong = new Promise<void>((resolve) => world.server.last.onceControl('ping', resolve));
  world.wake();
  await pong;
  await vi.waitFor(() => {
    world.clock.advance(1_000); // the connection would be given up after 3 s without a pong
    expect(world.connection.state.name).toBe('connected');
    expect(world.clock.nextMs).toBeGreaterThan(10_000);
  });
  await using unresponsive = await World.started(quiet);
  unresponsive.wake();
  unresponsive.clock.advance(3_000);
  await vi.waitFor(() => expect(unresponsive.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
});

it('the client detects a half-open link within serverTimeoutMs although it sends', async () => {
  await using world = await World.started(quiet);
  for (let second = 0; second < 29; second++) {
    world.clock.advance(1_000);
    world.connection.send.echo(second);
  }
  expect(world.connection.state.name).toBe('connected');
  world.clock.advance(1_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
});
