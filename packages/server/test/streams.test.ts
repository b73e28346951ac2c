import { defineHub } from '@hubline/protocol';
import { createHubServer, hubError, type HubOptions, type HubServerOptions } from '@hubline/server';
import { expect, it } from 'vitest';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';

interface Streams {
  echo(value: unknown): Promise<unknown>;
  count(to: number): AsyncIterable<number>;
  chunks(bytes: number): AsyncIterable<string>;
  fail(after: number, kind: string): AsyncIterable<unknown>;
  stuck(): AsyncIterable<number>;
  custom(kind: string): AsyncIterable<unknown>;
  sum(numbers: AsyncIterable<number>): Promise<readonly number[]>;
  slow(numbers: AsyncIterable<number>): Promise<number>;
  first(numbers: AsyncIterable<number>): Promise<number>;
  asking(numbers: AsyncIterable<number>): Promise<number>;
  double(numbers: AsyncIterable<number>): AsyncIterable<number>;
}
interface Receiver {
  confirm(question: string): Promise<boolean>;
}
const contract = defineHub<Streams, Receiver>('streams', {
  count: 'stream',
  chunks: 'stream',
  fail: 'stream',
  stuck: 'stream',
  custom: 'stream',
  sum: { uploads: 1 },
  slow: { uploads: 1 },
  first: { uploads: 1 },
  asking: { uploads: 1 },
  double: { stream: true, uploads: 1 },
});
type Options = Partial<HubOptions<Streams, Receiver, Record<never, never>, Record<never, never>>>;

async function start(serverOptions: HubServerOptions = {}, options: Options = {}) {
  const server = createHubServer(serverOptions);
  const log: string[] = [];
  let produced = 0;
  let pass: () => void = () => undefined;
  server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      async *count(_ctx, to) {
        try {
          for (let i = 1; i <= to; i++) {
            produced++;
            yield i;
          }
        } finally {
          log.push('count ends');
        }
      },
      async *chunks(_ctx, bytes) {
        for (;;) {
          produced++;
          yield 'x'.repeat(bytes);
        }
      },
      async *fail(_ctx, after, kind) {
        for (let i = 0; i < after; i++) yield i;
        if (kind === 'bigint') yield 1n;
        throw kind === 'hub' ? hubError('No more.') : new Error('secret');
      },
      async *stuck(ctx) {
        ctx.signal.addEventListener('abort', () => log.push('aborted'));
        yield 1;
        await new Promise(() => undefined);
      },
      custom(_ctx, kind) {
        if (kind === 'nothing') return 7 as unknown as AsyncIterable<unknown>;
        return {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise<never>(() => undefined),
            return: () => {
              log.push('return');
              throw new Error('return throws');
            },
          }),
        };
      },
      async sum(_ctx, numbers) {
        const got: number[] = [];
        for await (const n of numbers) got.push(n);
        return got;
      },
      async slow(ctx, numbers) {
        ctx.signal.addEventListener('abort', () => log.push('slow aborted'));
        let taken = 0;
        for await (const _ of numbers) {
          if (taken++ === 0) await new Promise<void>((resolve) => (pass = resolve));
        }
        return taken;
      },
      async first(_ctx, numbers) {
        for await (const n of numbers) return n;
        return -1;
      },
      async asking(ctx, numbers) {
        let agreed = 0;
        for await (const n of numbers) if (await ctx.clients.caller.invoke.confirm(`${n}?`)) agreed++;
        return agreed;
      },
      async *double(_ctx, numbers) {
        for await (const n of numbers) yield 2 * n;
      },
    },
    ...options,
  });
  return { ...(await listenAndConnect(server)), log, produced: () => produced, pass: () => pass() };
}

const stream = (invocationId: string, target: string, ...args: readonly unknown[]) => ({
  type: 4,
  invocationId,
  target,
  arguments: args,
});
const upload = (invocationId: string, target: string, streamId: string) => ({
  type: 1,
  invocationId,
  target,
  arguments: [],
  streamIds: [streamId],
});
const item = (invocationId: string, value: unknown) => ({ type: 2, invocationId, item: value });

it('a stream sends its items in order, then a completion without a result', async () => {
  await using world = await start();
  const { client } = world;
  client.send(stream('s', 'Count', 5), stream('e', 'count', 0));
  expect(await client.completion('s')).toEqual({ type: 3, invocationId: 's' });
  expect(client.items('s')).toEqual([1, 2, 3, 4, 5]);
  expect(await client.completion('e')).toEqual({ type: 3, invocationId: 'e' });
  expect(client.items('e')).toEqual([]);
});

it('streams run beside other streams and calls', async () => {
  await using world = await start();
  const { client } = world;
  client.send(stream('a', 'stuck'), stream('b', 'stuck'));
  await client.until(() => client.items('b').length === 1);
  expect((await client.call('echo', 1)).result).toBe(1);
});

it.each([
  ['stuck', 'aborted'],
  ['custom', 'return'],
])('a cancel of a stream that never yields is answered at once: %s', async (target, logged) => {
  await using world = await start();
  const { client } = world;
  client.send(stream('s', target));
  client.send(stream('t', 'count', 1));
  await client.completion('t');
  client.send({ type: 5, invocationId: 's' });
  expect(await client.completion('s')).toEqual({ type: 3, invocationId: 's' });
  expect(world.log).toContain(logged);
  expect((await client.call('echo', 1)).result).toBe(1);
  expect(world.errors).toEqual([]);
});

it('a stream stops when its client cancels it or disconnects', async () => {
  await using world = await start();
  const { client } = world;
  client.send(stream('s', 'count', 1e9));
  await client.until(() => client.frames.length > 3);
  client.send({ type: 5, invocationId: 's' });
  await client.until(() => client.frames.at(-1)?.endsWith('{"type":3,"invocationId":"s"}\u001e'));
  expect(world.log).toEqual(['count ends']);
  client.send(stream('t', 'count', 1e9));
  await client.until(() => client.frames.at(-1)?.includes('"t"'));
  client.reset();
  await expect.poll(() => world.log).toEqual(['count ends', 'count ends']);
});

it('a generator that never waits does not block other work', async () => {
  await using world = await start();
  const { client } = world;
  client.send(stream('s', 'count', 1e9));
  let most = 0;
  for (let turn = 0, before = 0; turn < 100; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, world.produced() - before);
    before = world.produced();
  }
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(5000);
});

it.each([
  ['error', 'An error occurred on the server while streaming results.', 'internal'],
  ['hub', 'An error occurred on the server while streaming results. HubException: No more.', 'hub_error'],
  ['bigint', /^An error occurred on the server while streaming results\. HubException: ./, 'not_encodable'],
])('an error within a stream is its completion: %s', async (kind, error, code) => {
  await using world = await start();
  const { client } = world;
  client.send(stream('s', 'fail', 2, kind));
  const completion = await client.completion('s');
  expect(completion.error).toEqual(typeof error === 'string' ? error : expect.stringMatching(error));
  expect(completion.headers).toMatchObject({ 'hubline-code': code });
  expect(client.items('s')).toEqual([0, 1]);
  expect(world.errors).toHaveLength(code === 'hub_error' ? 0 : 1);
});

it('a streaming method that returns no stream fails', async () => {
  await using world = await start();
  world.client.send(stream('s', 'custom', 'nothing'));
  expect((await world.client.completion('s')).error).toBe(
    "The value returned by the streaming method 'custom' is not a ChannelReader<> or IAsyncEnumerable<>.",
  );
});

it('a generator pauses while its client does not read, and continues when it reads', async () => {
  await using world = await start();
  const { client } = world;
  client.send(stream('s', 'chunks', 10_000));
  await client.until(() => client.items('s').length > 0);
  client.pause();
  await using neighbour = await RawClient.open(world.port);
  let before = -1;
  await expect
    .poll(
      async () => {
        for (let i = 0; i < 20; i++) await neighbour.call('echo', i);
        const still = world.produced() === before;
        before = world.produced();
        return still;
      },
      { timeout: 30_000 },
    )
    .toBe(true);
  expect(before * 10_000).toBeLessThan(32 * 1024 * 1024); // two kernels and the server's 64 KiB buffer less
  client.resume();
  await expect.poll(world.produced).toBeGreaterThan(before + 100);
  client.socket.terminate();
}, 60_000);

it('a stream sends only as many items as the client gave credit for', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ ...stream('s', 'count', 10), headers: { 'hubline-credit': '3' } });
  await client.until(() => client.items('s').length === 3);
  await client.call('echo', 1);
  expect(client.items('s')).toEqual([1, 2, 3]);
  expect(world.produced()).toBeLessThanOrEqual(4);
  client.send({ type: 64, invocationId: 's', credit: 0 });
  await client.call('echo', 1);
  expect(client.items('s')).toEqual([1, 2, 3]);
  client.send({ type: 64, invocationId: 's', credit: 2 }, { type: 64, invocationId: 'nobody', credit: 2 });
  await client.until(() => client.items('s').length === 5);
  await client.call('echo', 1);
  expect(client.items('s')).toEqual([1, 2, 3, 4, 5]);
  client.send({ type: 64, invocationId: 's', credit: 100 });
  expect(await client.completion('s')).toEqual({ type: 3, invocationId: 's' });
  expect(client.items('s')).toHaveLength(10);
});

it('a stream that waits for credit can be cancelled', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ ...stream('s', 'count', 10), headers: { 'hubline-credit': '1' } });
  await client.until(() => client.items('s').length === 1);
  client.send({ type: 5, invocationId: 's' });
  expect(await client.completion('s')).toEqual({ type: 3, invocationId: 's' });
  await expect.poll(() => world.log).toEqual(['count ends']);
});

it('an upload passes its items to the method in order until it ends', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'sum', 'u'), item('u', 1), item('nobody', 7), item('u', 2));
  client.send(item('u', 3), { type: 3, invocationId: 'u' }, item('u', 4));
  expect((await client.completion('1')).result).toEqual([1, 2, 3]);
});

it('uploads run beside each other, and a method may upload and stream', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'sum', 'u'), upload('2', 'sum', 'v'), { ...upload('3', 'double', 'w'), type: 4 });
  client.send(item('v', 1), item('u', 2), item('w', 3), { type: 3, invocationId: 'v' });
  expect((await client.completion('2')).result).toEqual([1]);
  await client.until(() => client.items('3').length === 1);
  client.send(item('w', 4), { type: 3, invocationId: 'w' }, { type: 3, invocationId: 'u' });
  expect(await client.completion('3')).toEqual({ type: 3, invocationId: '3' });
  expect(client.items('3')).toEqual([6, 8]);
  expect((await client.completion('1')).result).toEqual([2]);
});

it('the error that ends an upload is thrown in the method', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'sum', 'u'), item('u', 1), { type: 3, invocationId: 'u', error: 'Something bad' });
  expect((await client.completion('1')).error).toBe(
    "An unexpected error occurred invoking 'sum' on the server. HubException: Something bad",
  );
});

it('an upload is not read ahead of a slow method', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'slow', 'u'));
  const big = 'x'.repeat(30_000);
  for (let i = 0; i < 1000; i++) client.send(item('u', big));
  await using neighbour = await RawClient.open(world.port);
  for (let i = 0; i < 100; i++) await neighbour.call('echo', i);
  expect(client.socket.bufferedAmount).toBeGreaterThan(10_000_000);
  await expect
    .poll(
      () => {
        world.pass();
        return client.socket.bufferedAmount;
      },
      { timeout: 30_000 },
    )
    .toBe(0);
  client.send({ type: 3, invocationId: 'u' });
  expect((await client.completion('1')).result).toBe(1000);
}, 60_000);

it('the server reads on after a method stopped reading its upload', async () => {
  await using world = await start();
  const { client } = world;
  client.send(upload('1', 'first', 'u'));
  for (let i = 0; i < 500; i++) client.send(item('u', i));
  expect((await client.completion('1')).result).toBe(0);
  client.send({ type: 3, invocationId: 'u' });
  expect((await client.call('echo', 'read')).result).toBe('read');
});

it("the server reads on if an upload's method does not exist or is refused", async () => {
  await using world = await start({}, { authorize: { sum: () => false } });
  const { client } = world;
  client.send(upload('1', 'nope', 'u'), upload('2', 'sum', 'v'));
  for (let i = 0; i < 500; i++) client.send(item('u', i), item('v', i));
  expect((await client.completion('1')).error).toBe("Unknown hub method 'nope'");
  expect((await client.completion('2')).error).toBe("Failed to invoke 'sum' because user is unauthorized");
  expect((await client.call('echo', 'read')).result).toBe('read');
});

it('a method may call the client whose upload is full', async () => {
  await using world = await start();
  const { client } = world;
  const answered = new Set<unknown>();
  client.socket.on('message', () => {
    for (const { type, target, invocationId } of client.messages) {
      if (type !== 1 || target !== 'confirm' || answered.has(invocationId)) continue;
      answered.add(invocationId);
      client.send({ type: 3, invocationId, result: true });
    }
  });
  client.send(upload('1', 'asking', 'u'), ...Array.from({ length: 100 }, (_, i) => item('u', i)), { type: 3, invocationId: 'u' });
  expect((await client.completion('1')).result).toBe(100);
});

it('the upload of a call without an id is aborted when its client disconnects', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ type: 1, target: 'slow', arguments: [], streamIds: ['u'] }, item('u', 1));
  await client.call('echo', 1);
  client.reset();
  await expect.poll(() => world.log).toEqual(['slow aborted']);
});
