import { expect, it, vi } from 'vitest';
import { silent, type Behaviour } from './plain-server.ts';
import { World } from './world.ts';

it("a call or an item larger than the server's maxMessageBytes is refused, and the connection stays", async () => {
  await using world = await World.started({ handshakes: () => ({ hubline: 1, maxMessageBytes: 100 }) });
  const tooLarge = { code: 'message_too_large', details: { limitBytes: 100, bytes: expect.any(Number) as unknown } };
  await expect(world.connection.invoke.echo('ü'.repeat(50))).rejects.toMatchObject(tooLarge);
  async function* items(): AsyncGenerator<number> {
    yield 'x'.repeat(100) as never;
  }
  await expect(world.connection.invoke.import('lobby', items())).rejects.toMatchObject(tooLarge);
  world.connection.send.echo('x'.repeat(100));
  expect(world.emitted('lost')).toMatchObject([[{ method: 'echo', error: tooLarge }]]);
  expect(await world.connection.invoke.echo('x')).toEqual(['x']);
  expect(world.server.clients).toHaveLength(1);
});

it('a message of the server larger than maxMessageBytes closes the connection', async () => {
  const endless: Behaviour = (client) => client.send({ type: 1, target: 'x'.repeat(16 * 1024 * 1024), arguments: [] });
  await using world = await World.open({ behaves: endless, reconnect: false });
  await world.connection.start();
  await vi.waitFor(() => expect(world.connection.state).toMatchObject({ name: 'closed', cause: { code: 'message_too_large' } }));
});

it('a call of the server beyond maxQuestions is refused with an error', async () => {
  const confirm = (): Promise<unknown> => new Promise(() => {});
  await using world = await World.started({ behaves: silent, receiver: { confirm } });
  const questions = Array.from({ length: 1_001 }, (_, i) => ({ type: 1, invocationId: `${i}`, target: 'confirm', arguments: [] }));
  world.server.last.send(...questions);
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  expect(world.server.last.received[0]).toMatchObject({ type: 3, invocationId: '1000', error: 'More than 1000 questions wait.' });
  expect(world.connection.state.name).toBe('connected');
});

it("a Hubline server's sequence message is acknowledged after all messages before it, and no other server's", async () => {
  const order: unknown[] = [];
  for (const shaken of [{ hubline: 1 }, {}]) {
    const said = (): void => void order.push('said');
    await using world = await World.started({ behaves: silent, receiver: { said }, handshakes: () => shaken });
    const { last } = world.server;
    last.send({ type: 1, target: 'said', arguments: [] }, { type: 9, sequenceId: 0 });
    await vi.waitFor(() => expect(order.length).toBeGreaterThan(0));
    if (shaken.hubline) await vi.waitFor(() => expect(last.received).toEqual([{ type: 8, sequenceId: 0 }]));
    world.connection.send.echo('after');
    await vi.waitFor(() => expect(last.received.at(-1)).toMatchObject({ target: 'echo' }));
    expect(last.received.length).toBe(shaken.hubline ? 2 : 1);
  }
  expect(order).toEqual(['said', 'said']);
});

it.each([undefined, NaN, -1, 'soon'])('a reconnect policy that returns %s closes the connection with an error', async (delay) => {
  await using world = await World.started({ reconnect: { nextDelayMs: () => delay as number } });
  world.server.last.drop();
  await vi.waitFor(() =>
    expect(world.connection.state).toMatchObject({ name: 'closed', cause: { code: 'invalid_option', details: { option: 'reconnect' } } }),
  );
});

it('start and stop in quick succession cause no unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  await using world = await World.open();
  for (let mount = 0; mount < 3; mount++) {
    void world.connection.start();
    void world.connection.stop();
  }
  await world.connection.start();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', listener);
  expect(unhandled).toEqual([]);
  expect(world.connection.state.name).toBe('connected');
  const overtaken = World.open().then(async (other) => {
    const started = other.connection.start();
    await other[Symbol.asyncDispose]();
    return started;
  });
  await expect(overtaken).rejects.toMatchObject({ code: 'cancelled' });
});

it('a server with a tiny maxMessageBytes still gets errors, pings and a close', async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  const confirm = async (): Promise<unknown> => 'yes';
  const handshakes = () => ({ hubline: 1, maxMessageBytes: 1 });
  await using world = await World.started({ behaves: silent, handshakes, maxQuestions: 1, receiver: { confirm } });
  const question = (invocationId: string): object => ({ type: 1, invocationId, target: 'confirm', arguments: [] });
  world.server.last.send(question('a'), question('b'));
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(2));
  expect(world.server.last.received).toMatchObject([
    { type: 3, invocationId: 'b', error: 'More than 1 questions wait.' },
    { type: 3, invocationId: 'a', error: expect.stringContaining('maximum message size of 1B') as string },
  ]);
  await world.connection.stop();
  process.off('unhandledRejection', listener);
  expect(unhandled).toEqual([]);
});
