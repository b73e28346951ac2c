import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { silent } from './plain-server.ts';
import { World, type WorldOptions } from './world.ts';

/** Calls the client and returns its completion. */
async function ask(world: World, target: string, ...args: readonly unknown[]): Promise<unknown> {
  const invocationId = `s${world.server.last.received.length}`;
  world.server.last.send({ type: 1, invocationId, target, arguments: args });
  return vi.waitFor(() => {
    const answer = world.server.last.received.find((message) => message.type === 3 && message.invocationId === invocationId);
    if (!answer) throw new Error('No answer yet.');
    const { type: _type, invocationId: _id, ...rest } = answer;
    return rest;
  });
}
const quiet: WorldOptions = { behaves: silent };

it('each receiver gets events, whatever the case of their names', async () => {
  const received: string[] = [];
  await using world = await World.started({ ...quiet, receiver: { said: (from, text) => void received.push(`1 ${from} ${text}`) } });
  const undo = world.connection.receive({ said: (from) => void received.push(`2 ${from}`) });
  world.server.last.send({ type: 1, target: 'SAID', arguments: ['ann', 'hi'] });
  await vi.waitFor(() => expect(received).toEqual(['1 ann hi', '2 ann']));
  undo();
  world.server.last.send({ type: 1, target: 'said', arguments: ['bob', 'ho'] }, { type: 1, target: 'nobody', arguments: [] });
  await vi.waitFor(() => expect(received).toEqual(['1 ann hi', '2 ann', '1 bob ho']));
  expect(world.server.last.received).toEqual([]);
});

it('receivers stay registered over a reconnect', async () => {
  const received: string[] = [];
  await using world = await World.started({ ...quiet, receiver: { said: (from) => void received.push(from) } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(2));
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  world.server.last.send({ type: 1, target: 'said', arguments: ['ann', 'hi'] });
  await vi.waitFor(() => expect(received).toEqual(['ann']));
});

// SignalR's client 10.0.11 sends the last of several results if the first is falsy (signalr-wire, fault E).
it.each([0, '', false, null, 5])("a receiver's result %j is sent, and a second result is refused", async (result) => {
  await using world = await World.started({ ...quiet, receiver: { confirm: async () => result } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result });
  const undo = world.connection.receive({ confirm: async () => undefined });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result });
  undo();
  world.connection.receive({ confirm: async () => 5 });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: 'Client provided multiple results.' });
});

it('a call without a result is answered with an error', async () => {
  await using world = await World.started({ ...quiet, receiver: { confirm: async () => undefined } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: "Client didn't provide a result." });
  expect(await ask(world, 'constructor')).toEqual({ error: "Client didn't provide a result." });
  expect(await ask(world, 'toString')).toEqual({ error: "Client didn't provide a result." });
});

it('an error of a receiver is sent to the server and reported', async () => {
  await using world = await World.started({ ...quiet, receiver: { confirm: () => Promise.reject(new Error('Nobody at home.')) } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: 'Nobody at home.' });
  expect(world.emitted('error')).toMatchObject([[{ message: 'Nobody at home.' }]]);
  world.connection.receive({ confirm: async () => true });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result: true });
});

it('an error of one receiver does not affect the others', async () => {
  const received: string[] = [];
  const receiver = {
    said: () => {
      throw new Error('Oops.');
    },
  };
  await using world = await World.started({ ...quiet, receiver });
  world.connection.receive({ said: (from) => void received.push(from) });
  world.server.last.send({ type: 1, target: 'said', arguments: ['ann', 'hi'] });
  await vi.waitFor(() => expect(received).toEqual(['ann']));
  expect(world.emitted('error')).toMatchObject([[{ message: 'Oops.' }]]);
});

it('a result that cannot be encoded is answered with an error', async () => {
  await using world = await World.started({ ...quiet, receiver: { confirm: async () => new Map() } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: 'JSON has no way to write the Map at result.' });
  expect(world.emitted('error')).toMatchObject([[{ code: 'not_encodable' }]]);
});

it('a cancelled call of the server is answered at once, and only once', async () => {
  let give = (_answer: boolean): void => {};
  const confirm = (): Promise<unknown> => new Promise<boolean>((resolve) => (give = resolve));
  await using world = await World.started({ ...quiet, receiver: { confirm } });
  world.server.last.send({ type: 1, invocationId: 'q', target: 'confirm', arguments: ['Sure?'] }, { type: 5, invocationId: 'q' });
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  give(true);
  world.server.last.send({ type: 5, invocationId: 'q' }, { type: 5, invocationId: 'unknown' });
  world.connection.send.echo('end');
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(2));
  expect(world.server.last.received[0]).toEqual({ type: 3, invocationId: 'q', error: 'cancelled' });
  expect(world.server.last.received[1]).toMatchObject({ target: 'echo' });
});

it('a call of the server is not answered over the next connection', async () => {
  let give = (_answer: boolean): void => {};
  const confirm = (): Promise<unknown> => new Promise<boolean>((resolve) => (give = resolve));
  await using world = await World.started({ ...quiet, receiver: { confirm } });
  world.server.last.send({ type: 1, invocationId: 'q', target: 'confirm', arguments: ['Sure?'] }, { type: 6 });
  await vi.waitFor(() => expect(world.emitted('error')).toEqual([]));
  world.server.last.close(1001);
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(2));
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  give(true);
  world.connection.send.echo('end');
  await vi.waitFor(() => expect(world.server.last.received).toMatchObject([{ target: 'echo' }]));
});

it('an event in one frame with the handshake is delivered, and its receiver may call the hub', async () => {
  const record = '\u001e';
  const greeting = JSON.stringify({ type: 1, target: 'said', arguments: ['server', 'welcome'] });
  const answers: unknown[] = [];
  await using world = await World.open({ handshakes: () => `{}${record}${greeting}${record}` });
  world.connection.receive({ said: () => void world.connection.invoke.echo('back').then((answer) => answers.push(answer)) });
  await world.connection.start();
  await vi.waitFor(() => expect(answers).toEqual([['back']]));
});

it('a receiver may be an instance of a class, with inherited methods', async () => {
  class Base {
    readonly received: string[] = [];
    said(_from: string, text: string): void {
      this.received.push(text);
    }
  }
  class Mine extends Base {
    async confirm(): Promise<unknown> {
      return this.received.length;
    }
  }
  const receiver = new Mine();
  await using world = await World.started({ ...quiet, receiver });
  const said = { type: 1, target: 'SAID', arguments: ['a', 'hi'] };
  world.server.last.send(said, { type: 1, invocationId: 'q', target: 'confirm', arguments: [] });
  await vi.waitFor(() => expect(world.server.last.received).toEqual([{ type: 3, invocationId: 'q', result: 1 }]));
  expect(receiver.received).toEqual(['hi']);
  for (const target of ['constructor', 'toString', 'hasOwnProperty'])
    world.server.last.send({ type: 1, invocationId: target, target, arguments: [] });
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(4));
  expect(world.server.last.received.slice(1).map(({ error }) => error)).toEqual(Array(3).fill("Client didn't provide a result."));
});

it('on, receive and once register one event by its name', async () => {
  await using world = await World.started(quiet);
  const received: string[] = [];
  const undo = world.connection.on('said', (_from, text) => void received.push(`on ${text}`));
  world.connection.receive('said', (_from, text) => void received.push(`receive ${text}`));
  world.connection.once('said', (_from, text) => void received.push(`once ${text}`));
  const said = (text: string): object => ({ type: 1, target: 'said', arguments: ['a', text] });
  world.server.last.send(said('1'));
  await vi.waitFor(() => expect(received).toEqual(['on 1', 'receive 1', 'once 1']));
  undo();
  world.server.last.send(said('2'));
  await vi.waitFor(() => expect(received).toEqual(['on 1', 'receive 1', 'once 1', 'receive 2']));
  let closed = 0;
  world.connection.once('closed', () => void closed++);
  await world.connection.stop();
  await world.connection.start();
  await world.connection.stop();
  expect(closed).toBe(1);
});

it('an event without a receiver is logged once with the nearest name', async () => {
  const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  await using world = await World.started({ ...quiet, logger, receiver: { said: () => {} } });
  const call = (target: string): object => ({ type: 1, target, arguments: [] });
  world.server.last.send(call('siad'), call('siad'), call('said'), call('unlike'));
  await vi.waitFor(() => expect(logger.warn).toHaveBeenCalledTimes(2));
  expect(logger.warn.mock.calls).toEqual([
    ['test', 'The server calls "siad", and no receiver has it. Did you mean "said"?'],
    ['test', 'The server calls "unlike", and no receiver has it.'],
  ]);
});

it('an unknown option is logged with the nearest name', async () => {
  const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  await using _world = await World.open({ logger, acessToken: () => 'x' } as never);
  expect(logger.warn.mock.calls).toContainEqual(['test', 'There is no option "acessToken". Did you mean "accessToken"?']);
});

it('an Invocation without arguments and null for error and headers are accepted', async () => {
  const received: unknown[] = [];
  await using world = await World.started({ ...quiet, receiver: { said: (...args) => void received.push(args) } });
  world.server.last.send({ type: 1, target: 'said' }, { type: 1, target: 'said', arguments: [1], headers: null, invocationId: '' });
  await vi.waitFor(() => expect(received).toEqual([[], [1]]));
  const call = world.connection.invoke.echo();
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  world.server.last.send({ type: 3, invocationId: '0', error: null, headers: null, result: [2] });
  expect(await call).toEqual([2]);
});

it('an error of an asynchronous listener is reported', async () => {
  await using world = await World.started(quiet);
  world.connection.on('closed', async () => {
    await Promise.resolve();
    throw new Error('later');
  });
  await world.connection.stop();
  await vi.waitFor(() => expect(world.emitted('error')).toMatchObject([[{ message: 'later' }]]));
});

it('args checks the arguments of events and calls of the server', async () => {
  const received: unknown[] = [];
  await using world = await World.started({
    ...quiet,
    args: { said: z.tuple([z.string(), z.string().trim()]), confirm: z.tuple([z.string()]) },
    receiver: { said: (from, text) => void received.push([from, text]), confirm: async () => true },
  });
  const errors: unknown[] = [];
  world.connection.on('error', (error) => errors.push(error));
  const said = (...args: readonly unknown[]) => ({ type: 1, target: 'Said', arguments: args }) as const;
  world.server.last.send(said('ann', 5), said('ann'), said('ann', ' hi '));
  await vi.waitFor(() => expect(received).toEqual([['ann', 'hi']]));
  expect(errors).toMatchObject([{ code: 'invalid_arguments' }, { code: 'invalid_arguments' }]);
  expect(await ask(world, 'confirm', 7)).toMatchObject({ error: expect.stringContaining('confirm') as string });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result: true });
});

it('events are delivered in order, with and without a schema', async () => {
  const received: string[] = [];
  await using world = await World.started({
    ...quiet,
    args: { said: z.tuple([z.string(), z.string()]) },
    receiver: { said: (from) => void received.push(from) },
  });
  world.connection.receive({ confirm: async (question) => received.push(question) > 0 });
  world.server.last.send({ type: 1, target: 'said', arguments: ['1', ''] }, { type: 1, target: 'confirm', arguments: ['2'] });
  await vi.waitFor(() => expect(received).toEqual(['1', '2']));
});

it('a call of the server is answered whatever its receiver throws', async () => {
  const odd = new Error('hidden');
  Object.defineProperty(odd, 'message', {
    get() {
      throw new TypeError('no message');
    },
  });
  const thrown: unknown[] = [Object.create(null), odd, Symbol('odd'), new Error('')];
  await using world = await World.started({ ...quiet, receiver: { confirm: () => Promise.reject(thrown.shift()) } });
  while (thrown.length > 0) expect(await ask(world, 'confirm', 'Sure?')).toMatchObject({ error: expect.stringMatching(/./) as string });
});
