import * as valibot from 'valibot';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { answers, type Behaviour } from './plain-server.ts';
import { collect, World } from './world.ts';

it('a call returns the output of its result schema', async () => {
  const results = { echo: z.array(z.string().transform((text) => text.toUpperCase())) };
  await using world = await World.started({ results });
  expect(await world.connection.invoke.echo('a', 'b')).toEqual(['A', 'B']);
  expect(await world.connection.call('echo', ['a'])).toEqual(['A']);
});

it('a result that its schema refuses fails the call, with the path', async () => {
  const results = { echo: valibot.array(valibot.object({ id: valibot.string() })) };
  await using world = await World.started({ results });
  await expect(world.connection.invoke.echo({ id: 1 })).rejects.toMatchObject({
    code: 'invalid_result',
    details: { method: 'echo', issues: [expect.stringMatching(/^0\.id: /)] },
  });
});

it('each item of a stream is checked, and a refused one cancels the stream', async () => {
  const behaves: Behaviour = (client) => (message) => {
    const item = (value: unknown): object => ({ type: 2, invocationId: message.invocationId, item: value });
    if (message.type === 4) client.send(item(1), item('two'), item(3));
  };
  await using world = await World.started({ behaves, results: { count: z.number() } });
  await expect(collect(world.connection.stream.count())).rejects.toMatchObject({ code: 'invalid_result' });
  await vi.waitFor(() => expect(world.server.last.received.at(-1)).toEqual({ type: 5, invocationId: '0' }));
});

it('methods with names of Object.prototype have no schema', async () => {
  await using world = await World.started({ behaves: answers({ result: 1 }), results: {} });
  expect(await world.connection.call('hasOwnProperty')).toBe(1);
});
