import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type Context, type HubOptions } from '@hubline/server';
import { expect, it } from 'vitest';

interface Calls {
  ask(how: string): Promise<string>;
  answer(): Promise<string>;
  slow(name: string): Promise<string>;
}
interface Receiver {
  confirm(question: string): Promise<string>;
}
const contract = defineHub<Calls, Receiver>('turns');
type Ctx = Context<Receiver, Record<never, never>>;
type Options = Partial<HubOptions<Calls, Receiver, Record<never, never>, Record<never, never>>>;

const WAYS: Record<string, (ctx: Ctx) => PromiseLike<unknown>> = {
  'caller.invoke': (ctx) => ctx.clients.caller.invoke.confirm('?'),
  'caller with options': (ctx) => ctx.clients.caller.with({ timeoutMs: 5000 }).invoke.confirm('?'),
  'connection.invoke': (ctx) => ctx.clients.connection(ctx.connectionId).invoke.confirm('?'),
  'connection of the hub': (ctx) => ctx.hub.clients.connection(ctx.connectionId).invoke.confirm('?'),
  invokeOne: (ctx) => ctx.clients.all.invokeOne.confirm('?'),
  invokeAll: async (ctx) => (await ctx.hub.clients.all.except('x').invokeAll.confirm('?')).items,
};

/** A client whose receiver calls the hub before it answers. */
async function start(options: Options = {}) {
  const log: string[] = [];
  const gates: (() => void)[] = [];
  const server = createHubServer({ timeouts: { callMs: 5000, attemptMs: 5000 } });
  server.hub(contract, {
    path: '/hub',
    methods: {
      ask: async (ctx, how) => JSON.stringify(await WAYS[how]!(ctx)),
      answer: async () => 'from the hub',
      slow: (_ctx, name) => {
        log.push(name);
        return new Promise((resolve) => gates.push(() => resolve(name)));
      },
    },
    ...options,
  });
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/hub`;
  let answer = async (): Promise<string> => 'not connected';
  const connection = createHubConnection(contract, url, { receiver: { confirm: async (question) => `${question} ${await answer()}` } });
  answer = () => connection.invoke.answer();
  await connection.start();
  return {
    connection,
    log,
    gates,
    async [Symbol.asyncDispose]() {
      await connection.stop();
      await server.close();
    },
  };
}

it.each(Object.keys(WAYS))('a method that calls its caller lets other calls of that caller run meanwhile: %s', async (way) => {
  await using world = await start();
  expect(await world.connection.invoke.ask(way)).toContain('? from the hub');
});

it('the hook `connected` lets calls of its client run while it calls the client', async () => {
  const answers: string[] = [];
  await using world = await start({ connected: async (ctx) => void answers.push(await ctx.clients.caller.invoke.confirm('?')) });
  expect(await world.connection.invoke.answer()).toBe('from the hub');
  await expect.poll(() => answers).toEqual(['? from the hub']);
});

it('methods that call no client run one after another for each client', async () => {
  await using world = await start();
  const both = [world.connection.invoke.slow('a'), world.connection.invoke.slow('b')];
  await expect.poll(() => world.log).toEqual(['a']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.log).toEqual(['a']);
  world.gates[0]!();
  await expect.poll(() => world.log).toEqual(['a', 'b']);
  world.gates[1]!();
  expect(await Promise.all(both)).toEqual(['a', 'b']);
});

it('a call_timeout within a method is internal to its caller, and is reported with its own method', async () => {
  await using server = createHubServer({ timeouts: { callMs: 50 } });
  const errors: unknown[] = [];
  server.on('error', (stage, error) => errors.push([stage, error]));
  server.hub(contract, {
    path: '/hub',
    methods: { ask: (ctx) => ctx.clients.caller.invoke.confirm('?'), answer: async () => '', slow: async () => '' },
  });
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/hub`;
  const connection = createHubConnection(contract, url, { receiver: { confirm: () => new Promise(() => undefined) } });
  await connection.start();
  await expect(connection.invoke.ask('')).rejects.toMatchObject({ code: 'internal' });
  expect(errors).toMatchObject([['call of ask', { code: 'call_timeout', details: { method: 'confirm', timeoutMs: 50 } }]]);
  await connection.stop();
});
