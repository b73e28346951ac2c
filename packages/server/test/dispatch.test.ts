import { defineHub } from '@hubline/protocol';
import {
  createHubServer,
  forbidden,
  hubError,
  type HublineError,
  unauthorized,
  type HubOptions,
  type HubServerOptions,
} from '@hubline/server';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient, type Received } from './raw-client.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  nothing(): Promise<void>;
  fail(kind: string): Promise<unknown>;
  secret(room: string): Promise<string>;
  add(a: number, b: number): Promise<number>;
  wait(name: string): Promise<string>;
  ask(question: string): Promise<string>;
  count(to: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
}
interface Receiver {
  confirm(question: string): Promise<string>;
}
const contract = defineHub<Calls, Receiver>('calls', { count: 'stream', sum: { uploads: 1 } });
type Options = Partial<HubOptions<Calls, Receiver, Record<never, never>, Record<never, never>>>;

async function start(options: Options = {}, serverOptions: HubServerOptions = {}) {
  const server = createHubServer(serverOptions);
  const log: string[] = [];
  const gates = new Map<string, () => void>();
  const thrown: Record<string, () => unknown> = {
    error: () => new TypeError('secret'),
    text: () => 'just text',
    hub: () => hubError('Not in this room.'),
    forbidden: () => forbidden('Never.'),
    unauthorized: () => unauthorized(),
  };
  server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      nothing: async () => undefined,
      fail: async (_ctx, kind) => {
        if (kind === 'bigint') return 1n;
        if (kind === 'cycle') {
          const cycle: { self?: unknown } = {};
          return (cycle.self = cycle);
        }
        if (kind === 'map') return { deep: [new Map()] };
        throw thrown[kind]?.();
      },
      secret: async (_ctx, room) => `the secret of ${room}`,
      add: async (_ctx, a, b) => a + b,
      wait: (ctx, name) =>
        new Promise((resolve) => {
          log.push(`${name} begins`);
          ctx.signal.addEventListener('abort', () => log.push(`${name} aborted: ${(ctx.signal.reason as HublineError).code}`));
          gates.set(name, () => {
            log.push(`${name} ends`);
            resolve(name);
          });
        }),
      ask: (ctx, question) => ctx.clients.caller.invoke.confirm(question),
      async *count(_ctx, to) {
        for (let i = 1; i <= to; i++) yield i;
      },
      async sum(_ctx, numbers) {
        let sum = 0;
        for await (const n of numbers) sum += n;
        return sum;
      },
    },
    ...options,
  });
  return { ...(await listenAndConnect(server)), log, pass: (name: string) => gates.get(name)?.() };
}

const invocation = (invocationId: string, target: string, ...args: readonly unknown[]) => ({
  type: 1,
  invocationId,
  target,
  arguments: args,
});
const failed = (invocationId: string, error: string, code: string): Received =>
  expect.objectContaining({
    type: 3,
    invocationId,
    error,
    headers: expect.objectContaining({ 'hubline-code': code }) as unknown,
  }) as Received;

it('a call is answered with any JSON result', async () => {
  await using world = await start();
  for (const value of [0, '', false, null, [], {}, 'é€😀', { deep: [{ a: 1 }] }]) {
    expect(await world.client.call('echo', value)).toEqual({ type: 3, invocationId: expect.any(String) as string, result: value });
  }
});

it('a call of a method without a result is answered with null', async () => {
  await using world = await start();
  expect(await world.client.call('nothing')).toEqual({ type: 3, invocationId: 'c0', result: null });
});

it('method names are case-insensitive', async () => {
  await using world = await start();
  expect((await world.client.call('ECHO', 1)).result).toBe(1);
  expect((await world.client.call('Echo', 2)).result).toBe(2);
});

it.each(['Nope', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'then'])(
  'a call of %s, which the hub does not have, fails with unknown_method',
  async (name) => {
    await using world = await start();
    expect(await world.client.call(name, 1)).toEqual(failed('c0', `Unknown hub method '${name}'`, 'unknown_method'));
    expect((await world.client.call('echo', 'still here')).result).toBe('still here');
  },
);

it('a call of a method by the wrong kind of invocation fails and names the right one', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'Count', 3), { type: 4, invocationId: '2', target: 'Echo', arguments: [1] });
  expect(await client.completion('1')).toEqual(
    failed('1', "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.", 'invalid_arguments'),
  );
  expect(await client.completion('2')).toEqual(
    failed('2', "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation.", 'invalid_arguments'),
  );
});

it('a call with another number of uploaded streams than the method takes fails', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'sum'), { ...invocation('2', 'echo', 1), streamIds: ['s', 't'] });
  expect(await client.completion('1')).toEqual(failed('1', 'Client sent 0 stream(s), Hub method expects 1.', 'invalid_arguments'));
  expect(await client.completion('2')).toEqual(failed('2', 'Client sent 2 stream(s), Hub method expects 0.', 'invalid_arguments'));
});

it('a call with an invocation id in use fails, and the first call continues', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'wait', 'a'), invocation('1', 'echo', 1));
  expect(await client.completion('1')).toEqual(failed('1', "Invocation ID '1' is already in use.", 'invalid_message'));
  world.pass('a');
  await client.until(() => client.messages.some(({ result }) => result === 'a'));
  client.send(invocation('1', 'echo', 'again'));
  await client.until(() => client.messages.some(({ result }) => result === 'again'));
});

it('a stream id that is used again belongs to the newer call, and the older upload fails', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ ...invocation('1', 'sum'), streamIds: ['s'] }, { ...invocation('2', 'sum'), streamIds: ['s'] });
  client.send({ type: 2, invocationId: 's', item: 3 }, { type: 2, invocationId: 's', item: 4 }, { type: 3, invocationId: 's' });
  expect((await client.completion('1')).error).toContain("Stream ID 's' was used again.");
  expect((await client.completion('2')).result).toBe(7);
});

it.each([
  ['error', "An unexpected error occurred invoking 'fail' on the server.", 'internal'],
  ['text', "An unexpected error occurred invoking 'fail' on the server.", 'internal'],
  ['hub', "An unexpected error occurred invoking 'fail' on the server. HubException: Not in this room.", 'hub_error'],
  ['forbidden', "An unexpected error occurred invoking 'fail' on the server. HubException: Never.", 'forbidden'],
  ['unauthorized', "An unexpected error occurred invoking 'fail' on the server. HubException: Unauthorized", 'unauthorized'],
])('an error that a method throws is answered with its text and code: %s', async (kind, text, code) => {
  await using world = await start();
  expect(await world.client.call('fail', kind)).toEqual(failed('c0', text, code));
  expect(world.errors).toHaveLength(code === 'internal' ? 1 : 0);
  expect(JSON.stringify(world.client.messages)).not.toContain('secret');
});

it('detailedErrors adds names and messages of errors to the answers', async () => {
  await using world = await start({}, { detailedErrors: true });
  expect((await world.client.call('fail', 'error')).error).toBe(
    "An unexpected error occurred invoking 'fail' on the server. TypeError: secret",
  );
  expect((await world.client.call('fail', 'text')).error).toBe(
    "An unexpected error occurred invoking 'fail' on the server. Error: just text",
  );
});

it.each(['bigint', 'cycle', 'map'])('a result that cannot be encoded fails its call with not_encodable: %s', async (kind) => {
  await using world = await start();
  const { error, headers } = await world.client.call('fail', kind);
  expect(error).toMatch(/^An unexpected error occurred invoking 'fail' on the server\. HubException: /);
  expect(headers).toMatchObject({ 'hubline-code': 'not_encodable' });
  expect((await world.client.call('echo', 1)).result).toBe(1);
});

it('a call without an id is not answered, and its error is reported', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ type: 1, target: 'fail', arguments: ['error'] }, { type: 1, target: 'nope', arguments: [] }, invocation('1', 'echo', 1));
  await client.completion('1');
  expect(client.messages).toHaveLength(1);
  expect(world.errors).toMatchObject([['call of fail', new TypeError('secret')]]);
});

it('authorize decides by the caller and the arguments', async () => {
  const authorize = { secret: (ctx: { userId: string | undefined }, room: string) => ctx.userId === 'alice' && room !== 'vault' };
  const authenticate = ({ token }: { token?: string }) => (token ? { userId: token } : {});
  await using world = await start({ authorize, authenticate });
  const text = "Failed to invoke 'Secret' because user is unauthorized";
  expect(await world.client.call('Secret', 'hall')).toEqual(failed('c0', text, 'unauthorized'));
  await using bob = await RawClient.open(world.port, { query: 'access_token=bob' });
  expect(await bob.call('Secret', 'hall')).toEqual(failed('c0', text, 'forbidden'));
  await using alice = await RawClient.open(world.port, { query: 'access_token=alice' });
  expect((await alice.call('Secret', 'hall')).result).toBe('the secret of hall');
  expect(await alice.call('Secret', 'vault')).toEqual(failed('c1', text, 'forbidden'));
  expect(world.errors).toEqual([]);
});

it('a call is refused unless authorize returns true', async () => {
  const answers: unknown[] = ['yes', 1, undefined, Promise.resolve(false)];
  await using world = await start({ authorize: { secret: () => answers.shift() as boolean, add: () => Promise.reject(new Error('x')) } });
  for (let i = 0; i < 4; i++) expect((await world.client.call('secret', 'x')).headers).toMatchObject({ 'hubline-code': 'unauthorized' });
  expect(await world.client.call('add', 1, 2)).toEqual(
    failed('c4', "An unexpected error occurred invoking 'add' on the server.", 'internal'),
  );
});

it('a schema checks the arguments, and the method gets its output', async () => {
  await using server = createHubServer();
  const got: unknown[] = [];
  server.hub(defineHub<{ say(room: string, text: string): Promise<void> }>('say'), {
    path: '/hub',
    args: { say: z.tuple([z.string().trim().min(1), z.string().transform((text) => text.length)]) },
    methods: { say: async (_ctx, room, length) => void got.push([room, length]) },
  });
  await using client = await RawClient.open(await server.listen(0, '127.0.0.1'));
  expect((await client.call('say', ' hall ', 'four')).result).toBe(null);
  expect(got).toEqual([['hall', 4]]);
  for (const args of [[], ['hall'], [1, 'x'], ['', 'x'], ['hall', 'x', 'more']]) {
    const { error, headers } = await client.call('say', ...args);
    expect(error).toBe("Failed to invoke 'say' due to an error on the server.");
    expect(headers).toMatchObject({ 'hubline-code': 'invalid_arguments' });
    const details = JSON.parse((headers as Record<string, string>)['hubline-details'] ?? '') as unknown;
    expect(details).toMatchObject({ method: 'say', issues: expect.any(Array) as unknown });
  }
  expect(got).toHaveLength(1);
});

it('middleware runs around calls and streams, outermost first, and may answer, change and fail a call', async () => {
  const log: string[] = [];
  const named =
    (name: string): NonNullable<Options['use']>[number] =>
    async (_ctx, { method, args }, next) => {
      log.push(`${name} ${method} ${JSON.stringify(args)}`);
      if (name === 'inner' && args[0] === 'no') throw hubError('No.');
      if (name === 'inner' && args[0] === 'short') return 'cut';
      const result = await next();
      log.push(`${name} done`);
      return typeof result === 'string' ? `${name}(${result})` : result;
    };
  await using world = await start({ use: [named('outer'), named('inner')] });
  const { client } = world;
  expect((await client.call('echo', 'x')).result).toBe('outer(inner(x))');
  expect(log).toEqual(['outer echo ["x"]', 'inner echo ["x"]', 'inner done', 'outer done']);
  expect((await client.call('echo', 'short')).result).toBe('outer(cut)');
  expect(await client.call('echo', 'no')).toEqual(
    failed('c2', "An unexpected error occurred invoking 'echo' on the server. HubException: No.", 'hub_error'),
  );
  client.send({ type: 4, invocationId: 's', target: 'count', arguments: [2] });
  expect(await client.completion('s')).toEqual({ type: 3, invocationId: 's' });
  expect(client.items('s')).toEqual([1, 2]);
});

it('calls of one client run one after another, in order', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'wait', 'a'), invocation('2', 'wait', 'b'), invocation('3', 'echo', 'c'));
  await expect.poll(() => world.log).toEqual(['a begins']);
  await using other = await RawClient.open(world.port);
  expect((await other.call('echo', 'not mine to wait for')).error).toBe(undefined);
  expect(world.log).toEqual(['a begins']);
  world.pass('a');
  await expect.poll(() => world.log).toEqual(['a begins', 'a ends', 'b begins']);
  world.pass('b');
  await client.completion('3');
  expect(client.messages.map(({ invocationId }) => invocationId)).toEqual(['1', '2', '3']);
});

it('maxParallelCalls calls of one client run at the same time', async () => {
  await using world = await start({}, { limits: { maxParallelCalls: 2 } });
  const { client } = world;
  client.send(invocation('1', 'wait', 'a'), invocation('2', 'wait', 'b'), invocation('3', 'wait', 'c'));
  await expect.poll(() => world.log).toEqual(['a begins', 'b begins']);
  world.pass('b');
  await expect.poll(() => world.log).toEqual(['a begins', 'b begins', 'b ends', 'c begins']);
  world.pass('c');
  world.pass('a');
  await client.completion('1');
  expect(client.messages.map(({ invocationId }) => invocationId)).toEqual(['2', '3', '1']);
});

it('a method may call its caller', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'ask', 'Sure?'));
  const asked = await client.until(() => client.messages.find(({ type }) => type === 1));
  expect(asked).toMatchObject({ target: 'confirm', arguments: ['Sure?'] });
  client.send({ type: 3, invocationId: asked.invocationId, result: 'yes' });
  expect((await client.completion('1')).result).toBe('yes');
});

it('a cancel aborts the signal of a running call, which is answered when it ends', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'wait', 'a'));
  await expect.poll(() => world.log).toEqual(['a begins']);
  client.send({ type: 5, invocationId: '1' }, { type: 5, invocationId: 'nobody' }, { type: 5, invocationId: '1' });
  await expect.poll(() => world.log).toEqual(['a begins', 'a aborted: cancelled']);
  world.pass('a');
  expect((await client.completion('1')).result).toBe('a');
});

it('a call that is cancelled while it waits is answered and never run', async () => {
  await using world = await start();
  const { client } = world;
  client.send(invocation('1', 'wait', 'a'), invocation('2', 'wait', 'b'), { type: 4, invocationId: '3', target: 'count', arguments: [5] });
  client.send({ type: 5, invocationId: '2' }, { type: 5, invocationId: '3' });
  await expect.poll(() => world.log).toEqual(['a begins']);
  world.pass('a');
  expect(await client.completion('2')).toEqual(
    failed(
      '2',
      "An unexpected error occurred invoking 'wait' on the server. HubException: The caller of 'wait' has cancelled it.",
      'cancelled',
    ),
  );
  expect(await client.completion('3')).toEqual({ type: 3, invocationId: '3' });
  expect(client.items('3')).toEqual([]);
  expect(world.log).toEqual(['a begins', 'a ends']);
});

it('when a client disconnects, running calls are aborted and waiting calls are dropped', async () => {
  await using world = await start();
  world.client.send(invocation('1', 'wait', 'a'), invocation('2', 'wait', 'b'));
  await expect.poll(() => world.log).toEqual(['a begins']);
  world.client.reset();
  await expect.poll(() => world.log).toEqual(['a begins', 'a aborted: connection_lost']);
  world.pass('a');
  await using other = await RawClient.open(world.port);
  await other.call('echo', 1);
  expect(world.log).toEqual(['a begins', 'a aborted: connection_lost', 'a ends']);
});

it('ctx.items last as long as the connection and are separate for each connection', async () => {
  await using world = await start({
    use: [
      async (ctx, _call, next) => {
        const n = Number(ctx.items.get('n') ?? 0) + 1;
        ctx.items.set('n', n);
        await next();
        return n;
      },
    ],
  });
  const { client } = world;
  expect([(await client.call('echo')).result, (await client.call('echo')).result]).toEqual([1, 2]);
  await using other = await RawClient.open(world.port);
  expect((await other.call('echo')).result).toBe(1);
});

it('a call without a list of arguments fails, and the connection continues', async () => {
  await using world = await start();
  const { client } = world;
  client.send({ type: 1, invocationId: 'a', target: 'echo' }, { type: 1, invocationId: 'b', target: 'echo', arguments: { length: 1 } });
  for (const id of ['a', 'b']) {
    expect(await client.completion(id)).toMatchObject({ error: "Failed to invoke 'echo' due to an error on the server." });
  }
  client.send({ type: 1, invocationId: '', target: 'echo', arguments: [1] }); // an empty id is no id, so there is no completion
  expect((await client.call('echo', 'still here')).result).toBe('still here');
  expect(client.messages).toHaveLength(3);
});
