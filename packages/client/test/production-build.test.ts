import { expect, it, vi } from 'vitest';
import { World } from './world.ts';

// Production builds of bundlers leave out the checks of options.
vi.mock('#diagnostics', () => import('../src/no-diagnostics.ts'));

it.each<[string, unknown]>([
  ['undefined', undefined],
  ['NaN', NaN],
  ['a negative number', -1],
  ['a string', 'soon'],
  ['a promise', Promise.resolve(5)],
  ['a symbol', Symbol('soon')],
])('the production build closes with an error that names the reconnect policy and its value: %s', async (_, value) => {
  await using world = await World.started({ reconnect: { nextDelayMs: () => value as number } });
  world.server.last.drop();
  await vi.waitFor(() => expect(world.connection.state.name).toBe('closed'));
  const error = { code: 'invalid_option', details: { option: 'reconnect', value } };
  expect(world.connection.state).toMatchObject({ cause: error });
  expect(world.emitted('closed')).toMatchObject([[error]]);
});

it('the production build refuses options of backoff that give no delay', async () => {
  await using world = await World.started({ reconnect: { firstMs: NaN } });
  world.server.last.drop();
  await vi.waitFor(() =>
    expect(world.connection.state).toMatchObject({
      name: 'closed',
      cause: { code: 'invalid_option', details: { option: 'reconnect', value: NaN } },
    }),
  );
});

it.each([NaN, -1, '5'])('the production build refuses an invalid time limit of a call: %s', async (value) => {
  await using world = await World.started();
  const timeoutMs = value as number;
  const refused = expect.objectContaining({ code: 'invalid_option', details: { option: 'timeoutMs', value } }) as Error;
  expect(() => world.connection.with({ timeoutMs })).toThrow(refused);
  expect(() => void world.connection.call('echo', [], { timeoutMs })).toThrow(refused);
});
