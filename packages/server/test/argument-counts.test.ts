import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';

const invocation = (invocationId: string, target: string, ...args: readonly unknown[]) => ({
  type: 1,
  invocationId,
  target,
  arguments: args,
});

it('a call with another number of arguments than the contract allows is refused', async () => {
  interface Counted {
    add(a: number, b: number): Promise<number>;
    greet(name: string, greeting?: string): Promise<string>;
    count(to: number): AsyncIterable<number>;
    sum(start: number, numbers: AsyncIterable<number>): Promise<number>;
    any(a?: number): Promise<number>;
  }
  const counted = defineHub<Counted>('counted', {
    add: { args: 2 },
    greet: { args: [1, 2] },
    count: { stream: true, args: 1 },
    sum: { uploads: 1, args: 1 },
  });
  await using server = createHubServer();
  const ran: string[] = [];
  server.hub(counted, {
    path: '/hub',
    methods: {
      add: async (_ctx, a, b) => a + b,
      greet: async (_ctx, name, greeting = 'Hello') => `${greeting} ${name}`,
      async *count() {
        yield ran.push('count');
      },
      sum: async () => ran.push('sum'),
      any: async (_ctx, a = 3) => a,
    },
  });
  await using client = await RawClient.open(await server.listen(0, '127.0.0.1'));
  const refused = async (target: string, expected: string, ...args: readonly unknown[]): Promise<void> => {
    const { error, headers } = await client.call(target, ...args);
    expect(error).toBe(`Failed to invoke '${target}' due to an error on the server.`);
    const { 'hubline-code': code, 'hubline-details': details } = headers as Record<string, string>;
    expect(code).toBe('invalid_arguments');
    expect(details).toContain(`Invocation provides ${args.length} argument(s) but target expects ${expected}.`);
  };
  for (const args of [[], [1], [1, 2, 3]]) await refused('add', '2', ...args);
  await refused('ADD', '2');
  for (const args of [[], ['a', 'b', 'c']]) await refused('greet', '1 to 2', ...args);
  client.send({ type: 4, invocationId: 's', target: 'count', arguments: [] }, { ...invocation('u', 'sum', 1, 2), streamIds: ['x'] });
  expect((await client.completion('s')).headers).toMatchObject({ 'hubline-code': 'invalid_arguments' });
  expect((await client.completion('u')).headers).toMatchObject({ 'hubline-code': 'invalid_arguments' });
  expect(ran).toEqual([]);
  expect([
    (await client.call('add', 1, 2)).result,
    (await client.call('greet', 'Ann')).result,
    (await client.call('any', 1, 2, 3)).result,
  ]).toEqual([3, 'Hello Ann', 1]);
});
