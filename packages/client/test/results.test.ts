import * as valibot from 'valibot';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { answers, type Behaviour } from './plain-server.ts';
import { collect, World } from './world.ts';

it('gives what the schema makes of a result', async () => {
  const results = { echo: z.array(z.string().transform((text) => text.toUpperCase())) };
  await using world = await World.started({ results });
  expect(await world.connection.invoke.echo('a', 'b')).toEqual(['A', 'B']);
  expect(await world.connection.call('echo', ['a'])).toEqual(['A']);
});

it('refuses a result that does not satisfy its schema, and says where', async () => {
  const results = { echo: valibot.array(valibot.object({ id: valibot.string() })) };
  await using world = await World.started({ results });
  await expect(world.connection.invoke.echo({ id: 1 })).rejects.toMatchObject({
    code: 'invalid_result',
    details: { method: 'echo', issues: [expect.stringMatching(/^0\.id: /)] },
  });
});

it('checks each item of a stream, and leaves the stream at a wrong one', async () => {
  const behaves: Behaviour = (client) => (message) => {
    const item = (value: unknown): object => ({ type: 2, invocationId: message.invocationId, item: value });
    if (message.type === 4) client.send(item(1), item('two'), item(3));
  };
  await using world = await World.started({ behaves, results: { count: z.number() } });
  await expect(collect(world.connection.stream.count())).rejects.toMatchObject({ code: 'invalid_result' });
  await vi.waitFor(() => expect(world.server.last.heard.at(-1)).toEqual({ type: 5, invocationId: '0' }));
});

it('has no schema for methods of every object', async () => {
  await using world = await World.started({ behaves: answers({ result: 1 }), results: {} });
  expect(await world.connection.call('hasOwnProperty')).toBe(1);
});
