import { expect, it, vi } from 'vitest';
import type { HublineError } from '../src/index.ts';
import { answers, drops, echoes, silent, type Behaviour, type Heard } from './plain-server.ts';
import { collect, World } from './world.ts';

const typesOf = (heard: readonly Heard[]): number[] => heard.map(({ type }) => type);
const failure = (promise: Promise<unknown>): Promise<HublineError> =>
  promise.then(
    () => Promise.reject(new Error('It did not fail.')),
    (error: unknown) => error as HublineError,
  );

it('gives the result of a call', async () => {
  await using world = await World.started();
  expect(await world.connection.invoke.echo('a', 1, null, false)).toEqual(['a', 1, null, false]);
  expect(world.server.last.heard).toEqual([{ type: 1, invocationId: '0', target: 'echo', arguments: ['a', 1, null, false] }]);
});

it.each([null, 0, '', false])('gives the result %j', async (result) => {
  await using world = await World.started({ behaves: answers({ result }) });
  expect(await world.connection.invoke.echo()).toBe(result);
});

it('gives undefined where the completion has no result', async () => {
  await using world = await World.started({ behaves: answers({}) });
  expect(await world.connection.invoke.void()).toBeUndefined();
});

it('calls methods that no contract names', async () => {
  await using world = await World.started();
  expect(await world.connection.call('Any.Method', [1, 'x'])).toEqual([1, 'x']);
  expect(await world.connection.call('AnyMethod')).toEqual([]);
});

it('can be awaited, printed and asked for names that belong to the language', async () => {
  await using world = await World.started();
  const { invoke } = world.connection;
  expect(await Promise.resolve(invoke)).toBe(invoke);
  expect(Object.prototype.toString.call(invoke)).toBe('[object Object]');
  expect(`${invoke as unknown as string}`).toBe('[object Object]');
  expect(JSON.stringify({ invoke })).toBe('{"invoke":{}}');
  expect(world.server.last.heard).toEqual([]);
});

it('tells a HubException by its text', async () => {
  const error = "An unexpected error occurred invoking 'echo' on the server. HubException: The room\nis full.";
  await using world = await World.started({ behaves: answers({ error }) });
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'hub_error', message: 'The room\nis full.' });
});

it('keeps the whole text of other failures', async () => {
  await using world = await World.started({ behaves: answers({ error: "Unknown hub method 'echo'" }) });
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'internal', message: "Unknown hub method 'echo'" });
});

it.each([
  ['unknown_method', '{"method":"echo"}', { code: 'unknown_method', details: { method: 'echo' } }],
  ['from_the_future', '{"a":1}', { code: 'from_the_future', details: { a: 1 } }],
  ['unknown_method', 'no JSON', { code: 'unknown_method', details: {} }],
  ['no code at all', undefined, { code: 'internal', details: {} }],
])('reads the code %s and the details %s of a Hubline server', async (code, details, expected) => {
  const headers = { 'hubline-code': code, ...(details && { 'hubline-details': details }) };
  await using world = await World.started({ behaves: answers({ error: 'No.', headers }) });
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ message: 'No.', ...expected });
  expect(world.connection.state.name).toBe('connected');
});

it('fails a call with what cannot be written', async () => {
  await using world = await World.started();
  expect(await failure(world.connection.invoke.echo(new Map()))).toMatchObject({ code: 'not_encodable' });
  expect(await failure(world.connection.invoke.echo(1n))).toMatchObject({ code: 'not_encodable' });
  expect(await world.connection.invoke.echo('still there')).toEqual(['still there']);
});

it('fails calls before the start and after the stop', async () => {
  await using world = await World.open();
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'connection_lost' });
  expect(await failure(collect(world.connection.stream.count()))).toMatchObject({ code: 'connection_lost' });
  await world.connection.start();
  await world.connection.stop();
  expect(await failure(world.connection.invoke.echo())).toMatchObject({ code: 'connection_lost' });
});

it('fails pending calls and streams at once when the connection is lost, and again when it is stopped', async () => {
  await using world = await World.started({ behaves: silent });
  for (const end of [() => world.server.last.drop(), () => void world.connection.stop()]) {
    const pending = [failure(world.connection.invoke.echo()), failure(collect(world.connection.stream.count()))];
    await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(2));
    end();
    for (const each of pending) expect(await each).toMatchObject({ code: 'connection_lost' });
    await vi.waitFor(() => expect(world.connection.state.name).toMatch(/connected|closed/));
    await vi.waitFor(() => expect(world.server.open).toBe(world.connection.state.name === 'closed' ? 0 : 1));
  }
});

it('times a call out', async () => {
  await using world = await World.started({ behaves: silent, stopped: true });
  const slow = failure(world.connection.invoke.echo());
  const quick = failure(world.connection.with({ timeoutMs: 100 }).invoke.echo());
  const quickStream = failure(collect(world.connection.with({ timeoutMs: 100 }).stream.count(1)));
  await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(3));
  world.clock.advance(100);
  expect(await quick).toMatchObject({ code: 'call_timeout', details: { method: 'echo', timeoutMs: 100 } });
  expect(await quickStream).toMatchObject({ code: 'call_timeout' });
  world.server.last.send({ type: 6 });
  await vi.waitFor(() => expect(typesOf(world.server.last.heard)).toContain(5));
  world.clock.advance(29_900);
  expect(await slow).toMatchObject({ code: 'call_timeout', details: { timeoutMs: 30_000 } });
});

it('gives a call up by its signal, and tells only a Hubline server', async () => {
  for (const hubline of [false, true]) {
    await using world = await World.started({ behaves: silent, shakes: () => (hubline ? { hubline: 1 } : {}) });
    const controller = new AbortController();
    const call = failure(world.connection.with({ signal: controller.signal }).invoke.echo());
    const reason = new Error('changed my mind');
    controller.abort(reason);
    expect(await call).toMatchObject({ code: 'cancelled', cause: reason });
    world.connection.send.echo('end');
    await vi.waitFor(() => expect(world.server.last.heard.at(-1)).toMatchObject({ arguments: ['end'] }));
    expect(typesOf(world.server.last.heard)).toEqual(hubline ? [1, 5, 1] : [1, 1]);
  }
});

it('does not send a call whose signal has aborted', async () => {
  await using world = await World.started();
  const calls = world.connection.with({ signal: AbortSignal.abort() });
  expect(await failure(calls.invoke.echo())).toMatchObject({ code: 'cancelled' });
  expect(await failure(collect(calls.stream.count(1)))).toMatchObject({ code: 'cancelled' });
  calls.send.echo();
  expect(world.told('lost')).toMatchObject([[{ method: 'echo', error: { code: 'cancelled' } }]]);
  expect(world.server.last.heard).toEqual([]);
});

it('leaves nothing behind on a signal that outlives many calls', async () => {
  await using world = await World.started();
  const controller = new AbortController();
  const add = vi.spyOn(controller.signal, 'addEventListener');
  const remove = vi.spyOn(controller.signal, 'removeEventListener');
  for (let i = 0; i < 3; i++) await world.connection.with({ signal: controller.signal }).invoke.echo();
  expect(add).toHaveBeenCalledTimes(3);
  expect(remove).toHaveBeenCalledTimes(3);
});

it('sends without an id, and reports what is lost as an event', async () => {
  await using world = await World.open();
  world.connection.send.echo('too early');
  expect(world.told('lost')).toMatchObject([[{ method: 'echo', error: { code: 'connection_lost' } }]]);
  await world.connection.start();
  world.connection.send.echo(new Set());
  expect(world.told('lost')[1]).toMatchObject([{ error: { code: 'not_encodable' } }]);
  world.connection.send.echo('in time');
  await vi.waitFor(() => expect(world.server.last.heard).toEqual([{ type: 1, target: 'echo', arguments: ['in time'] }]));
});

it('ignores answers to calls that are over, and messages of unknown types', async () => {
  await using world = await World.started();
  world.server.last.send(
    { type: 3, invocationId: '99', result: 1 },
    { type: 2, invocationId: '99', item: 1 },
    { type: 77 },
    { type: 8, sequenceId: 1 },
  );
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  expect(world.told('error')).toEqual([]);
});

it('gives every item of a stream that ends with a failure, and then the failure', async () => {
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

it('gives the items that had arrived when the connection was lost, and then the loss', async () => {
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

it('sends a stream call when the first item is asked for', async () => {
  await using world = await World.started();
  const items = world.connection.stream.count(1, 2);
  expect(await world.connection.invoke.echo()).toEqual([]);
  expect(typesOf(world.server.last.heard)).toEqual([1]);
  expect(await collect(items)).toEqual([1, 2]);
});

it('cancels a stream on the server when the loop is left, and hears no more of it', async () => {
  await using world = await World.started();
  for await (const item of world.connection.stream.count(1, 2, 3)) if (item === 2) break;
  // The server had sent everything: there was nothing to cancel.
  expect(typesOf(world.server.last.heard)).toEqual([4]);

  const endless: Behaviour = (client) => (message) => {
    if (message.type === 4) client.send({ type: 2, invocationId: message.invocationId, item: 1 });
  };
  await using other = await World.started({ behaves: endless });
  for await (const item of other.connection.stream.count()) if (item === 1) break;
  await vi.waitFor(() => expect(other.server.last.heard.at(-1)).toEqual({ type: 5, invocationId: '0' }));
});

it('ends a stream at once when its signal aborts, and cancels it on the server', async () => {
  await using world = await World.started({ behaves: silent });
  const controller = new AbortController();
  const reading = failure(collect(world.connection.with({ signal: controller.signal }).stream.count()));
  await vi.waitFor(() => expect(typesOf(world.server.last.heard)).toEqual([4]));
  controller.abort();
  expect(await reading).toMatchObject({ code: 'cancelled' });
  await vi.waitFor(() => expect(typesOf(world.server.last.heard)).toEqual([4, 5]));
});

it('grants credit to a Hubline server as the items are taken, and none to others', async () => {
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  for (const hubline of [false, true]) {
    const behaves: Behaviour = (client) => {
      const left = [...numbers];
      return ({ type, invocationId, credit = hubline ? 64 : 100 }) => {
        const items = type === 4 || type === 64 ? left.splice(0, credit as number) : [];
        if (items.length > 0) client.send(...items.map((item) => ({ type: 2, invocationId, item })));
      };
    };
    await using world = await World.started({ behaves, shakes: () => (hubline ? { hubline: 1 } : {}) });
    for await (const item of world.connection.stream.count()) if (item === 99) break;
    await vi.waitFor(() => expect(typesOf(world.server.last.heard)).toContain(5));
    const [call, ...rest] = world.server.last.heard;
    expect(call?.headers).toEqual(hubline ? { 'hubline-credit': '64' } : undefined);
    const credit = { type: 64, invocationId: '0', credit: 32 };
    expect(rest).toEqual([...(hubline ? [credit, credit, credit] : []), { type: 5, invocationId: '0' }]);
  }
});

it('settles every call over a connection that is dropped again and again', async () => {
  await using world = await World.open({ behaves: [drops, drops, echoes], reconnect: { firstMs: 1 } });
  await world.connection.start();
  await vi.waitFor(async () => expect(await world.connection.invoke.echo(1)).toEqual([1]));
  expect(world.server.clients).toHaveLength(3);
});

it('takes a window: the server is given as much credit, and granted half of it again', async () => {
  await using world = await World.started({ behaves: silent, shakes: () => ({ hubline: 1 }) });
  const items = world.connection.with({ window: 2 }).stream.count()[Symbol.asyncIterator]();
  const first = items.next();
  await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(1));
  expect(world.server.last.heard[0]?.headers).toEqual({ 'hubline-credit': '2' });
  world.server.last.send({ type: 2, invocationId: '0', item: 1 }, { type: 2, invocationId: '0', item: 2 });
  expect(await first).toEqual({ done: false, value: 1 });
  await vi.waitFor(() => expect(world.server.last.heard.at(-1)).toEqual({ type: 64, invocationId: '0', credit: 1 }));
  world.server.last.send(...[3, 4].map((item) => ({ type: 2, invocationId: '0', item })));
  await vi.waitFor(() => expect(world.server.last.heard.at(-1)).toEqual({ type: 5, invocationId: '0' }));
  expect(await items.next()).toMatchObject({ value: 2 });
  expect(await items.next()).toMatchObject({ value: 3 });
  await expect(items.next()).rejects.toMatchObject({ code: 'limit_exceeded', details: { limit: 'window', max: 2 } });
  for (const window of [0, -1, 1.5, NaN, Infinity]) {
    expect(() => world.connection.with({ window })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  }
});

it('keeps 65,536 items of a server without credit that the page has not taken, and no more', async () => {
  await using world = await World.started({ behaves: silent });
  const items = world.connection.stream.count()[Symbol.asyncIterator]();
  const first = items.next();
  await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(1));
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

it('leaves a stream at once although an item is awaited, and cancels it on the server', async () => {
  await using world = await World.started({ behaves: silent });
  const items = world.connection.stream.count()[Symbol.asyncIterator]();
  const waiting = items.next();
  await vi.waitFor(() => expect(world.server.last.heard).toHaveLength(1));
  expect(await items.return?.()).toEqual({ done: true, value: undefined });
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await items.next()).toEqual({ done: true, value: undefined });
  await vi.waitFor(() => expect(world.server.last.heard.at(-1)).toEqual({ type: 5, invocationId: '0' }));
  const unread = world.connection.stream.count()[Symbol.asyncIterator]();
  await unread.return?.();
  expect(await unread.next()).toEqual({ done: true, value: undefined });
  expect(world.server.last.heard).toHaveLength(2);
});

it('sends the call of a stream with the first next(), so that a cancel right after it reaches the server', async () => {
  await using world = await World.started({ behaves: silent });
  const cancel = new AbortController();
  const first = world.connection.with({ signal: cancel.signal }).stream.count()[Symbol.asyncIterator]().next();
  cancel.abort();
  await expect(first).rejects.toMatchObject({ code: 'cancelled' });
  await vi.waitFor(() => expect(typesOf(world.server.last.heard)).toEqual([4, 5]));
});
