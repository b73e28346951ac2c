import { expect, it, vi } from 'vitest';
import { sourceWithSignal } from '../src/index.ts';
import { silent, type Behaviour } from './plain-server.ts';
import { collect, World } from './world.ts';

async function* numbers(...items: readonly number[]): AsyncGenerator<number> {
  yield* items;
}

/** A source that yields items until it is ended. */
function endless(): AsyncIterable<number> & { readonly left: Promise<void> } {
  let leave = (): void => {};
  const left = new Promise<void>((resolve) => (leave = resolve));
  async function* items(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) {
        yield i;
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      leave();
    }
  }
  const iterator = items();
  return { left, [Symbol.asyncIterator]: () => iterator };
}

it('a call uploads a stream beside plain arguments', async () => {
  await using world = await World.started();
  expect(await world.connection.invoke.import('lobby', numbers(1, 2))).toEqual([1, 2]);
  expect(world.server.last.received).toEqual([
    { type: 1, invocationId: '1', target: 'import', arguments: ['lobby'], streamIds: ['0'] },
    { type: 2, invocationId: '0', item: 1 },
    { type: 2, invocationId: '0', item: 2 },
    { type: 3, invocationId: '0' },
  ]);
});

// SignalR's client 10.0.11 finds only the first of two adjacent streams (signalr-wire, fault A).
it('a call uploads two streams, each with its own id', async () => {
  await using world = await World.started();
  const sum = await world.connection.invoke.zip(numbers(1, 2), numbers(3));
  expect([...sum].sort()).toEqual([1, 2, 3]);
  expect(world.server.last.received[0]).toEqual({ type: 1, invocationId: '2', target: 'zip', arguments: [], streamIds: ['0', '1'] });
  expect(await world.connection.invoke.import('x', numbers())).toEqual([]);
  expect(world.server.last.received.find(({ target }) => target === 'import')).toMatchObject({ invocationId: '4', streamIds: ['3'] });
});

it('a call uploads and streams, and send uploads without a result', async () => {
  const behaves: Behaviour = (client) => (message) => {
    if (message.type === 2) client.send({ type: 2, invocationId: '1', item: message.item });
    if (message.type === 3) client.send({ type: 3, invocationId: '1' });
  };
  await using world = await World.started({ behaves: [behaves, silent] });
  expect(await collect(world.connection.stream.transform(numbers(1, 2)))).toEqual([1, 2]);
  world.connection.send.import('lobby', numbers(7));
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 3, invocationId: '2' }));
  expect(world.server.last.received.at(-3)).toEqual({ type: 1, target: 'import', arguments: ['lobby'], streamIds: ['2'] });
});

it('connection.call uploads the streams among its arguments', async () => {
  await using world = await World.started();
  expect(await world.connection.call('import', [numbers(5), 'lobby'])).toEqual([5]);
  expect(world.server.last.received[0]).toMatchObject({ arguments: ['lobby'], streamIds: ['0'] });
});

it('an error of a source is sent to the server and thrown to the caller', async () => {
  await using world = await World.started();
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    throw new Error('The disk is gone.');
  }
  await expect(world.connection.invoke.import('lobby', failing())).rejects.toMatchObject({
    code: 'upload_failed',
    message: 'The disk is gone.',
  });
  await vi.waitFor(() => expect(world.server.last.received).toContainEqual({ type: 3, invocationId: '0', error: 'The disk is gone.' }));
});

it('a source with an item that cannot be encoded is ended', async () => {
  await using world = await World.started();
  let left = false;
  async function* unwritable(): AsyncGenerator<number> {
    try {
      yield new Map() as unknown as number;
    } finally {
      left = true;
    }
  }
  await expect(world.connection.invoke.import('lobby', unwritable())).rejects.toThrow('JSON has no way to write');
  expect(left).toBe(true);
});

it('an aborted upload is reported to the server at once, while its source waits', async () => {
  await using world = await World.started({ behaves: silent });
  const controller = new AbortController();
  async function* waiting(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
  const call = world.connection.with({ signal: controller.signal }).invoke.import('lobby', waiting());
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toMatchObject({ item: 1 }));
  controller.abort();
  await expect(call).rejects.toMatchObject({ code: 'cancelled' });
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 3, invocationId: '0', error: 'cancelled' }));
});

it('an upload stops when the server has answered the call', async () => {
  const behaves: Behaviour = (client) => (message) => {
    if (message.item === 3) client.send({ type: 3, invocationId: '1', result: [42] });
  };
  await using world = await World.started({ behaves });
  const source = endless();
  expect(await world.connection.invoke.import('lobby', source)).toEqual([42]);
  await source.left;
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 3, invocationId: '0', error: 'cancelled' }));
});

it('an upload stops when its call is aborted or the connection is lost', async () => {
  await using world = await World.started({ behaves: silent });
  const controller = new AbortController();
  const sources = [endless(), endless(), endless()] as const;
  const calls = [
    world.connection.with({ signal: controller.signal }).invoke.import('a', sources[0]),
    world.connection.invoke.import('b', sources[1]),
  ];
  world.connection.send.import('c', sources[2]);
  for (const call of calls) call.catch(() => {});
  await vi.waitFor(() => expect(world.server.last.received.filter(({ item }) => item === 1)).toHaveLength(3));
  controller.abort();
  await expect(calls[0]).rejects.toMatchObject({ code: 'cancelled' });
  await sources[0].left;
  world.server.last.drop();
  await expect(calls[1]).rejects.toMatchObject({ code: 'connection_lost' });
  await Promise.all([sources[1].left, sources[2].left]);
});

it('the signal of sourceWithSignal aborts when the call is aborted or the connection is lost', async () => {
  await using world = await World.started({ behaves: silent });
  const left: string[] = [];
  const waiting = (name: string): AsyncIterable<number> =>
    sourceWithSignal(async function* (signal) {
      yield 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      left.push(name);
    });
  const controller = new AbortController();
  const calls = [
    world.connection.with({ signal: controller.signal }).invoke.import('a', waiting('given up')),
    world.connection.invoke.import('b', waiting('lost')),
  ];
  for (const call of calls) call.catch(() => {});
  await vi.waitFor(() => expect(world.server.last.received.filter(({ item }) => item === 1)).toHaveLength(2));
  expect(left).toEqual([]);
  controller.abort();
  await vi.waitFor(() => expect(left).toEqual(['given up']));
  world.server.last.drop();
  await vi.waitFor(() => expect(left).toEqual(['given up', 'lost']));
});

it('all items of a source with a signal are sent', async () => {
  await using world = await World.started();
  let aborted: boolean | undefined;
  const source = sourceWithSignal(async function* (signal) {
    yield* [1, 2];
    aborted = signal.aborted;
  });
  expect(await world.connection.invoke.import('lobby', source)).toEqual([1, 2]);
  expect(aborted).toBe(false);
});

it('an upload waits for a slow server', async () => {
  let taken = 0;
  const counts: Behaviour = (client) => (message) => {
    if (message.type === 2) taken++;
    if (message.type === 3) client.send({ type: 3, invocationId: '1', result: [taken] });
  };
  await using world = await World.started({ behaves: counts, manualClock: true });
  let given = 0;
  async function* large(): AsyncGenerator<number> {
    for (const item = 'x'.repeat(65_536) as unknown as number; given < 250; given++) yield item;
  }
  world.server.last.pause();
  let result: readonly unknown[] | undefined;
  void world.connection.invoke.import('lobby', large()).then((items) => (result = items));
  // While the upload waits it looks at the socket again after a few milliseconds; all other timers are longer.
  const waits = (): void => expect(world.clock.nextMs).toBeLessThan(1_000);
  for (let looks = 0; looks < 50; looks++) {
    await vi.waitFor(waits, { interval: 1 });
    world.clock.advance(world.clock.nextMs);
  }
  // The sockets of both ends hold some megabytes, and the client buffers up to its high-water mark.
  expect(given).toBeLessThan(200);
  world.server.last.resume();
  await vi.waitFor(
    () => {
      if (world.clock.nextMs < 1_000) world.clock.advance(world.clock.nextMs);
      expect(result).toEqual([250]);
    },
    { interval: 5, timeout: 10_000 },
  );
}, 20_000);
