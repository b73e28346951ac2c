import { expect, it, vi } from 'vitest';
import type { HublineError } from '../src/index.ts';
import { answers, drops, echoes, silent, type Behaviour, type Received } from './plain-server.ts';
import { collect, World } from './world.ts';

const typesOf = (received: readonly Received[]): number[] => received.map(({ type }) => type);
const failure = (promise: Promise<unknown>): Promise<HublineError> =>
  promise.then(
    () => Promise.reject(new Error('It did not fail.')),
    (error: unknown) => error as HublineError,
  );

it('a call returns the result of the method', async () => {
  await using world = await World.started();
  expect(await world.connection.invoke.echo('a', 1, null, false)).toEqual(['a', 1, null, false]);
  expect(world.server.last.received).toEqual([{ type: 1, invocationId: '0', target: 'echo', arguments: ['a', 1, null, false] }]);
});

it.each([null, 0, '', false])('a call returns the result %j', async (result) => {
  await using world = await World.started({ behaves: answers({ result }) });
  expect(await world.connection.invoke.echo()).toBe(result);
});

it('a call returns undefined if the completion has no result', async () => {
  await using world = await World.started({ behaves: answers({}) });
  expect(await world.connection.invoke.void()).toBeUndefined();
});

it('connection.call calls methods that are not in the contract', async () => {
  await using world = await World.started();
  expect(await world.connection.call('Any.Method', [1, 'x'])).toEqual([1, 'x']);
  expect(await world.connection.call('AnyMethod')).toEqual([]);
});

it('connection.invoke can be awaited, printed and serialised without a call', async () => {
  await using world = await World.started();
  const { invoke } = world.connection;
  expect(await Promise.resolve(invoke)).toBe(invoke);
  expect(Object.prototype.toString.call(invoke)).toBe('[object Object]');
  expect(`${invoke as unknown as string}`).toBe('[object Object]');
  expect(JSON.stringify({ invoke })).toBe('{"invoke":{}}');
  expect(world.server.last.received).toEqual([]);
});

it('a HubException is a hub_error with its text', async () => {
  const error = "An unexpected error occurred invoking 'echo' on the server. HubException: The room\nis full.";
  await using world = await World.started({ behaves: answers({ error }) });
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'hub_error', message: 'The room\nis full.' });
});

it('another error keeps its whole text and is internal', async () => {
  await using world = await World.started({ behaves: answers({ error: "Unknown hub method 'echo'" }) });
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'internal', message: "Unknown hub method 'echo'" });
});

it.each([
  ['unknown_method', '{"method":"echo"}', { code: 'unknown_method', details: { method: 'echo' } }],
  ['from_the_future', '{"a":1}', { code: 'from_the_future', details: { a: 1 } }],
  ['unknown_method', 'no JSON', { code: 'unknown_method', details: {} }],
  ['no code at all', undefined, { code: 'internal', details: {} }],
])('an error of a Hubline server with the code %s and the details %s is read', async (code, details, expected) => {
  const headers = { 'hubline-code': code, ...(details && { 'hubline-details': details }) };
  await using world = await World.started({ behaves: answers({ error: 'No.', headers }) });
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ message: 'No.', ...expected });
  expect(world.connection.state.name).toBe('connected');
});

it('a call with arguments that cannot be encoded fails', async () => {
  await using world = await World.started();
  expect(await failure(world.connection.invoke.echo(new Map()))).toMatchObject({ code: 'not_encodable' });
  expect(await failure(world.connection.invoke.echo(1n))).toMatchObject({ code: 'not_encodable' });
  expect(await world.connection.invoke.echo('still there')).toEqual(['still there']);
});

it('a call before the start or after the stop fails', async () => {
  await using world = await World.open();
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'connection_lost' });
  expect(await failure(collect(world.connection.stream.count()))).toMatchObject({ code: 'connection_lost' });
  await world.connection.start();
  await world.connection.stop();
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'connection_lost' });
});

it('pending calls and streams fail at once when the connection is lost or stopped', async () => {
  await using world = await World.started({ behaves: silent });
  for (const end of [() => world.server.last.drop(), () => void world.connection.stop()]) {
    const pending = [failure(world.connection.invoke.echo()), failure(collect(world.connection.stream.count()))];
    await vi.waitFor(() => expect(world.server.last.received).toHaveLength(2));
    end();
    for (const each of pending) expect(await each).toMatchObject({ code: 'connection_lost' });
    await vi.waitFor(() => expect(world.connection.state.name).toMatch(/connected|closed/));
    await vi.waitFor(() => expect(world.server.open).toBe(world.connection.state.name === 'closed' ? 0 : 1));
  }
});

it('a call fails with call_timeout after its time limit', async () => {
  await using world = await World.started({ behaves: silent, manualClock: true });
  const slow = failure(world.connection.invoke.echo());
  const quick = failure(world.connection.with({ timeoutMs: 100 }).invoke.echo());
  const quickStream = failure(collect(world.connection.with({ timeoutMs: 100 }).stream.count(1)));
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(3));
  world.clock.advance(100);
  expect(await quick).toMatchObject({ code: 'call_timeout', details: { method: 'echo', timeoutMs: 100 } });
  expect(await quickStream).toMatchObject({ code: 'call_timeout' });
  world.server.last.send({ type: 6 });
  await vi.waitFor(() => expect(typesOf(world.server.last.received)).toContain(5));
  world.clock.advance(29_900);
  expect(await slow).toMatchObject({ code: 'call_timeout', details: { timeoutMs: 30_000 } });
});

it('an aborted call fails at once, and only a Hubline server gets a cancel', async () => {
  for (const hubline of [false, true]) {
    await using world = await World.started({ behaves: silent, handshakes: () => (hubline ? { hubline: 1 } : {}) });
    const controller = new AbortController();
    const call = failure(world.connection.with({ signal: controller.signal }).invoke.echo());
    const reason = new Error('changed my mind');
    controller.abort(reason);
    expect(await call).toMatchObject({ code: 'cancelled', cause: reason });
    world.connection.send.echo('end');
    await vi.waitFor(() => expect(world.server.last.received.at(-1)).toMatchObject({ arguments: ['end'] }));
    expect(typesOf(world.server.last.received)).toEqual(hubline ? [1, 5, 1] : [1, 1]);
  }
});

it('a call whose signal is already aborted is not sent', async () => {
  await using world = await World.started();
  const calls = world.connection.with({ signal: AbortSignal.abort() });
  expect(await failure(calls.invoke.echo())).toMatchObject({ code: 'cancelled' });
  expect(await failure(collect(calls.stream.count(1)))).toMatchObject({ code: 'cancelled' });
  calls.send.echo();
  expect(world.emitted('lost')).toMatchObject([[{ method: 'echo', error: { code: 'cancelled' } }]]);
  expect(world.server.last.received).toEqual([]);
});

it('a call removes its listener from its signal', async () => {
  await using world = await World.started();
  const controller = new AbortController();
  const add = vi.spyOn(controller.signal, 'addEventListener');
  const remove = vi.spyOn(controller.signal, 'removeEventListener');
  for (let i = 0; i < 3; i++) await world.connection.with({ signal: controller.signal }).invoke.echo();
  expect(add).toHaveBeenCalledTimes(3);
  expect(remove).toHaveBeenCalledTimes(3);
});

it('send writes no id, and a message that cannot be sent is an event `lost`', async () => {
  await using world = await World.open();
  world.connection.send.echo('too early');
  expect(world.emitted('lost')).toMatchObject([[{ method: 'echo', error: { code: 'connection_lost' } }]]);
  await world.connection.start();
  world.connection.send.echo(new Set());
  expect(world.emitted('lost')[1]).toMatchObject([{ error: { code: 'not_encodable' } }]);
  world.connection.send.echo('in time');
  await vi.waitFor(() => expect(world.server.last.received).toEqual([{ type: 1, target: 'echo', arguments: ['in time'] }]));
});

it('results of finished calls and messages of unknown types are ignored', async () => {
  await using world = await World.started();
  world.server.last.send(
    { type: 3, invocationId: '99', result: 1 },
    { type: 2, invocationId: '99', item: 1 },
    { type: 77 },
    { type: 8, sequenceId: 1 },
  );
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  expect(world.emitted('error')).toEqual([]);
});

it('a stream that fails yields all its items first', async () => {
  const behaves: Behaviour = (client) => (message) =>
    client.send(
      { type: 2, invocationId: message.invocationId, item: 1 },
      { type: 3, invocationId: message.invocationId, error: 'Broken.' },
    );
  await using world = await World.started({ behaves });
  const items: number[] = [];
  const reading = (async () => {
    for await (const item of world.connection.stream.count()) items.push(item);
  })();
  expect(await failure(reading)).toMatchObject({ code: 'internal', message: 'Broken.' });
  expect(items).toEqual([1]);
});

it('a stream whose connection is lost yields the items that had arrived first', async () => {
  const behaves: Behaviour = (client) => (message) => {
    client.send({ type: 2, invocationId: message.invocationId, item: 1 }, { type: 2, invocationId: message.invocationId, item: 2 });
    client.close(1001);
  };
  await using world = await World.started({ behaves: [behaves, silent] });
  const items: number[] = [];
  const reading = (async () => {
    for await (const item of world.connection.stream.count()) {
      if (items.push(item) === 1) await vi.waitFor(() => expect(world.states).toContain('reconnecting'));
    }
  })();
  expect(await failure(reading)).toMatchObject({ code: 'connection_lost' });
  expect(items).toEqual([1, 2]);
});

it('a stream is called when its first item is requested', async () => {
  await using world = await World.started();
  const items = world.connection.stream.count(1, 2);
  expect(await world.connection.invoke.echo()).toEqual([]);
  expect(typesOf(world.server.last.received)).toEqual([1]);
  expect(await collect(items)).toEqual([1, 2]);
});

it('leaving the loop over a stream cancels it on the server', async () => {
  await using world = await World.started();
  for await (const item of world.connection.stream.count(1, 2, 3)) if (item === 2) break;
  // The server had sent all items, so the client sends no cancel.
  expect(typesOf(world.server.last.received)).toEqual([4]);

  const endless: Behaviour = (client) => (message) => {
    if (message.type === 4) client.send({ type: 2, invocationId: message.invocationId, item: 1 });
  };
  await using other = await World.started({ behaves: endless });
  for await (const item of other.connection.stream.count()) if (item === 1) break;
  await vi.waitFor(() => expect(other.server.last.received.at(-1)).toEqual({ type: 5, invocationId: '0' }));
});

it('an aborted stream ends at once and is cancelled on the server', async () => {
  await using world = await World.started({ behaves: silent });
  const controller = new AbortController();
  const reading = failure(collect(world.connection.with({ signal: controller.signal }).stream.count()));
  await vi.waitFor(() => expect(typesOf(world.server.last.received)).toEqual([4]));
  controller.abort();
  expect(await reading).toMatchObject({ code: 'cancelled' });
  await vi.waitFor(() => expect(typesOf(world.server.last.received)).toEqual([4, 5]));
});

it('a stream grants credit to a Hubline server as its items are taken, and none to another server', async () => {
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  for (const hubline of [false, true]) {
    const behaves: Behaviour = (client) => {
      const left = [...numbers];
      return ({ type, invocationId, credit = hubline ? 64 : 100 }) => {
        const items = type === 4 || type === 64 ? left.splice(0, credit as number) : [];
        if (items.length > 0) client.send(...items.map((item) => ({ type: 2, invocationId, item })));
      };
    };
    await using world = await World.started({ behaves, handshakes: () => (hubline ? { hubline: 1 } : {}) });
    for await (const item of world.connection.stream.count()) if (item === 99) break;
    await vi.waitFor(() => expect(typesOf(world.server.last.received)).toContain(5));
    const [call, ...rest] = world.server.last.received;
    expect(call?.headers).toEqual(hubline ? { 'hubline-credit': '64' } : undefined);
    const credit = { type: 64, invocationId: '0', credit: 32 };
    expect(rest).toEqual([...(hubline ? [credit, credit, credit] : []), { type: 5, invocationId: '0' }]);
  }
});

it('calls settle although the connection is dropped again and again', async () => {
  await using world = await World.open({ behaves: [drops, drops, echoes], reconnect: { firstMs: 1 } });
  await world.connection.start();
  await vi.waitFor(async () => expect(await world.connection.invoke.echo(1)).toEqual([1]));
  expect(world.server.clients).toHaveLength(3);
});

it('a stream with a window grants that much credit, and half of it again', async () => {
  await using world = await World.started({ behaves: silent, handshakes: () => ({ hubline: 1 }) });
  const items = world.connection.with({ window: 2 }).stream.count()[Symbol.asyncIterator]();
  const first = items.next();
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  expect(world.server.last.received[0]?.headers).toEqual({ 'hubline-credit': '2' });
  world.server.last.send({ type: 2, invocationId: '0', item: 1 }, { type: 2, invocationId: '0', item: 2 });
  expect(await first).toEqual({ done: false, value: 1 });
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 64, invocationId: '0', credit: 1 }));
  world.server.last.send(...[3, 4].map((item) => ({ type: 2, invocationId: '0', item })));
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 5, invocationId: '0' }));
  expect(await items.next()).toMatchObject({ value: 2 });
  expect(await items.next()).toMatchObject({ value: 3 });
  await expect(items.next()).rejects.toMatchObject({ code: 'limit_exceeded', details: { limit: 'window', max: 2 } });
  for (const window of [0, -1, 1.5, NaN, Infinity]) {
    expect(() => world.connection.with({ window })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  }
});

it('a stream keeps 65,536 unread items of a server without credit, and fails beyond that', async () => {
  await using world = await World.started({ behaves: silent });
  const items = world.connection.stream.count()[Symbol.asyncIterator]();
  const first = items.next();
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  const send = (count: number): void =>
    world.server.last.send(...Array.from({ length: count }, (_, i) => ({ type: 2, invocationId: '0', item: i })));
  send(1);
  await first;
  send(65_537);
  world.server.last.send({ type: 3, invocationId: '0' });
  let taken = 0;
  const rest = (async () => {
    for (; !(await items.next()).done; taken++);
  })();
  await expect(rest).rejects.toMatchObject({ code: 'limit_exceeded', details: { max: 65_536 } });
  expect(taken).toBe(65_536);
});

it('return() ends a stream at once while an item is awaited, and cancels it on the server', async () => {
  await using world = await World.started({ behaves: silent });
  const items = world.connection.stream.count()[Symbol.asyncIterator]();
  const waiting = items.next();
  await vi.waitFor(() => expect(world.server.last.received).toHaveLength(1));
  expect(await items.return?.()).toEqual({ done: true, value: undefined });
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await items.next()).toEqual({ done: true, value: undefined });
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 5, invocationId: '0' }));
  const unread = world.connection.stream.count()[Symbol.asyncIterator]();
  await unread.return?.();
  expect(await unread.next()).toEqual({ done: true, value: undefined });
  expect(world.server.last.received).toHaveLength(2);
});

it('the first next() sends the call of a stream, so that a cancel right after it reaches the server', async () => {
  await using world = await World.started({ behaves: silent });
  const cancel = new AbortController();
  const first = world.connection.with({ signal: cancel.signal }).stream.count()[Symbol.asyncIterator]().next();
  cancel.abort();
  await expect(first).rejects.toMatchObject({ code: 'cancelled' });
  await vi.waitFor(() => expect(typesOf(world.server.last.received)).toEqual([4, 5]));
});
