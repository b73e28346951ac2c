import { expect, it, vi } from 'vitest';
import { echoes, silent } from './plain-server.ts';
import { World } from './world.ts';

const SOON = { nextDelayMs: () => 1_000 };

// In some reconnects SignalR's client 10.0.11 buffers messages and then drops the buffer: sends resolve and are never sent, and
// calls never settle, even after it has connected again (signalr-wire, fault C).
it('calls and sends around a lost connection are settled, and none is sent over the next connection', async () => {
  await using world = await World.started({
    behaves: [silent, echoes],
    manualClock: true,
    reconnect: SOON,
    negotiates: (_, n) => (n === 1 || n === 2 ? 503 : undefined),
  });
  const settled: string[] = [];
  const call = (name: string): void => {
    world.connection.invoke.echo(name).catch(({ code }: { code: string }) => void settled.push(`${name} ${code}`));
  };
  call('before');
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  world.server.last.drop();
  for (const negotiated of [2, 3]) {
    await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', attempt: negotiated - 1 }));
    call(`attempt ${negotiated - 1}`);
    world.connection.send.echo('sent');
    world.clock.advance(1_000);
    await vi.waitFor(() => expect(world.server.negotiated).toHaveLength(negotiated));
  }
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', attempt: 3 }));
  expect(settled).toEqual(['before connection_lost', 'attempt 1 connection_lost', 'attempt 2 connection_lost']);
  expect(world.emitted('lost')).toHaveLength(2);
  world.clock.advance(1_000);
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  expect(await world.connection.invoke.echo('after')).toEqual(['after']);
  expect(world.server.last.received).toMatchObject([{ type: 1, target: 'echo', arguments: ['after'] }]);
});

/** Opens a connection that has reconnected after a time-out; the socket of the first connection hangs. */
async function timedOut(): Promise<World> {
  const world = await World.started({ behaves: silent, manualClock: true, reconnect: SOON });
  world.server.last.pause();
  world.clock.advance(30_000);
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'reconnecting', cause: { code: 'timed_out' } }));
  world.clock.advance(1_000);
  await vi.waitFor(() => expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-1' }));
  return world;
}

// SignalR's client 10.0.11 reopens a connection that it gave up after a time-out. That socket survives `stop()`, and its end
// closes the new connection too (signalr-wire, fault D).
it('the client opens one socket for each attempt, and ignores the end of a socket that it gave up', async () => {
  await using world = await timedOut();
  const [old] = world.server.clients;
  expect(world.server.upgraded.map(({ url }) => url.searchParams.get('id'))).toEqual(['token-0', 'token-1']);
  old?.drop();
  await vi.waitFor(() => expect(world.server.open).toBe(1));
  world.clock.advance(10_000);
  world.server.last.send({ type: 6 });
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-1' });
  expect(world.states).toEqual(['connecting', 'connected', 'reconnecting', 'connected']);
  expect(world.server.upgraded).toHaveLength(2);
});

it('stop leaves no socket open after one that hung', async () => {
  await using world = await timedOut();
  const [old] = world.server.clients;
  await world.connection.stop();
  old?.resume();
  await vi.waitFor(() => expect(world.server.open).toBe(0));
  expect(world.connection.state).toEqual({ name: 'closed' });
});
