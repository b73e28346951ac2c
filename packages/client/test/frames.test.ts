import { expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { World } from './world.ts';

/** Starts a world whose client records the frames that it sends. */
async function start() {
  const frames: string[] = [];
  class Recording extends WebSocket {
    override send(data: string): void {
      frames.push(data);
      super.send(data);
    }
  }
  const world = await World.started({ WebSocket: Recording as never });
  frames.length = 0;
  return { world, frames, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

it('the calls of a turn share a frame, and those of a long turn a few frames, in their order', async () => {
  await using started = await start();
  const { world, frames } = started;
  await Promise.all([world.connection.invoke.echo('a'), world.connection.invoke.echo('b')]);
  expect(frames).toHaveLength(1);
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  expect(await Promise.all(numbers.map((i) => world.connection.invoke.echo(i)))).toEqual(numbers.map((i) => [i]));
  expect(frames).toHaveLength(4);
  expect(world.server.last.received.slice(2).map((message) => message.arguments)).toEqual(numbers.map((i) => [i]));
});

it('a call that cannot be encoded fails alone in its turn', async () => {
  await using started = await start();
  const { echo } = started.world.connection.invoke;
  const [first, second, third] = await Promise.allSettled([echo(1), echo(1n), echo(2)]);
  expect([first, third]).toMatchObject([{ value: [1] }, { value: [2] }]);
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'not_encodable' } });
});

it('stop sends the messages of its turn before Close', async () => {
  await using started = await start();
  const { connection, server } = started.world;
  connection.send.echo(1);
  await connection.stop();
  await vi.waitFor(() => expect(server.last.received.map(({ type }) => type)).toEqual([1, 7]));
});
