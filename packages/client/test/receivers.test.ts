import { expect, it, vi } from 'vitest';
import { silent } from './plain-server.ts';
import { World, type WorldOptions } from './world.ts';

/** Asks the client, as a server does, and gives its answer. */
async function ask(world: World, target: string, ...args: readonly unknown[]): Promise<unknown> {
  const invocationId = `s${world.server.last.heard.length}`;
  world.server.last.send({ type: 1, invocationId, target, arguments: args });
  return vi.waitFor(() => {
    const answer = world.server.last.heard.find((message) => message.type === 3 && message.invocationId === invocationId);
    if (!answer) throw new Error('No answer yet.');
    const { type: _type, invocationId: _id, ...rest } = answer;
    return rest;
  });
}
const quiet: WorldOptions = { behaves: silent };

it('hears events, whatever the case of their names, in every receiver', async () => {
  const heard: string[] = [];
  await using world = await World.started({ ...quiet, receiver: { said: (from, text) => void heard.push(`1 ${from} ${text}`) } });
  const undo = world.connection.receive({ said: (from) => void heard.push(`2 ${from}`) });
  world.server.last.send({ type: 1, target: 'SAID', arguments: ['ann', 'hi'] });
  await vi.waitFor(() => expect(heard).toEqual(['1 ann hi', '2 ann']));
  undo();
  world.server.last.send({ type: 1, target: 'said', arguments: ['bob', 'ho'] }, { type: 1, target: 'nobody', arguments: [] });
  await vi.waitFor(() => expect(heard).toEqual(['1 ann hi', '2 ann', '1 bob ho']));
  expect(world.server.last.heard).toEqual([]);
});

it('keeps its receivers through a reconnect', async () => {
  const heard: string[] = [];
  await using world = await World.started({ ...quiet, receiver: { said: (from) => void heard.push(from) } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(2));
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  world.server.last.send({ type: 1, target: 'said', arguments: ['ann', 'hi'] });
  await vi.waitFor(() => expect(heard).toEqual(['ann']));
});

// SignalR's client 10.0.11 takes the last of several results where the first is falsy (signalr-wire, fault E).
it.each([0, '', false, null, 5])('gives the result %j, and refuses a second one', async (result) => {
  await using world = await World.started({ ...quiet, receiver: { confirm: async () => result } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result });
  const undo = world.connection.receive({ confirm: async () => undefined });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result });
  undo();
  world.connection.receive({ confirm: async () => 5 });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: 'Client provided multiple results.' });
});

it('says that it has no result', async () => {
  await using world = await World.started({ ...quiet, receiver: { confirm: async () => undefined } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: "Client didn't provide a result." });
  expect(await ask(world, 'constructor')).toEqual({ error: "Client didn't provide a result." });
  expect(await ask(world, 'toString')).toEqual({ error: "Client didn't provide a result." });
});

it('answers with what a receiver threw, and reports it', async () => {
  await using world = await World.started({ ...quiet, receiver: { confirm: () => Promise.reject(new Error('Nobody at home.')) } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: 'Nobody at home.' });
  expect(world.told('error')).toMatchObject([[{ message: 'Nobody at home.' }]]);
  world.connection.receive({ confirm: async () => true });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ result: true });
});

it('goes on when a receiver of an event throws', async () => {
  const heard: string[] = [];
  const receiver = {
    said: () => {
      throw new Error('Oops.');
    },
  };
  await using world = await World.started({ ...quiet, receiver });
  world.connection.receive({ said: (from) => void heard.push(from) });
  world.server.last.send({ type: 1, target: 'said', arguments: ['ann', 'hi'] });
  await vi.waitFor(() => expect(heard).toEqual(['ann']));
  expect(world.told('error')).toMatchObject([[{ message: 'Oops.' }]]);
});

it('answers that a result cannot be written', async () => {
  await using world = await World.started({ ...quiet, receiver: { confirm: async () => new Map() } });
  expect(await ask(world, 'confirm', 'Sure?')).toEqual({ error: 'JSON has no way to write the Map at result.' });
  expect(world.told('error')).toMatchObject([[{ code: 'not_encodable' }]]);
});

it('answers a cancelled call at once, and only once', async () => {
  let give = (_answer: boolean): void => {};
  const confirm = (): Promise<unknown> => new Promise<boolean>((resolve) => (give = resolve));
  await using world = await World.started({ ...quiet, receiver: { confirm } });
  world.server.last.send({ type: 1, invocationId: 'q', target: 'confirm', arguments: ['Sure?'] }, { type: 5, invocationId: 'q' });
  await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(1));
  give(true);
  world.server.last.send({ type: 5, invocationId: 'q' }, { type: 5, invocationId: 'unknown' });
  world.connection.send.echo('end');
  await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(2));
  expect(world.server.last.heard[0]).toEqual({ type: 3, invocationId: 'q', error: 'cancelled' });
  expect(world.server.last.heard[1]).toMatchObject({ target: 'echo' });
});

it('does not answer over the next connection what the last one was asked', async () => {
  let give = (_answer: boolean): void => {};
  const confirm = (): Promise<unknown> => new Promise<boolean>((resolve) => (give = resolve));
  await using world = await World.started({ ...quiet, receiver: { confirm } });
  world.server.last.send({ type: 1, invocationId: 'q', target: 'confirm', arguments: ['Sure?'] }, { type: 6 });
  await vi.waitFor(() => expect(world.told('error')).toEqual([]));
  world.server.last.close(1001);
  await vi.waitFor(() => expect(world.server.clients).toHaveLength(2));
  await vi.waitFor(() => expect(world.connection.state.name).toBe('connected'));
  give(true);
  world.connection.send.echo('end');
  await vi.waitFor(() => expect(world.server.last.heard).toMatchObject([{ target: 'echo' }]));
});

it('hears what comes in one frame with the handshake, and can call back at once', async () => {
  const record = '\u001e';
  const greeting = JSON.stringify({ type: 1, target: 'said', arguments: ['server', 'welcome'] });
  const answers: unknown[] = [];
  await using world = await World.open({ shakes: () => `{}${record}${greeting}${record}` });
  world.connection.receive({ said: () => void world.connection.invoke.echo('back').then((answer) => answers.push(answer)) });
  await world.connection.start();
  await vi.waitFor(() => expect(answers).toEqual([['back']]));
});
