import { expect, it, vi } from 'vitest';
import { isHublineError } from '../src/index.ts';
import { answers, echoes, silent } from './plain-server.ts';
import { collect, World } from './world.ts';

it('gives the result of a call', async () => {
  await using world = await World.started();
  expect(await world.connection.invoke.echo('a', 1, null)).toEqual(['a', 1, null]);
  expect(world.connection.state).toEqual({ name: 'connected', connectionId: 'id-0' });
});

it('gives the items of a stream', async () => {
  await using world = await World.started();
  expect(await collect(world.connection.stream.count(1, 2, 3))).toEqual([1, 2, 3]);
});

it('uploads', async () => {
  await using world = await World.started();
  async function* three() {
    yield 1;
    yield 2;
    yield 3;
  }
  expect(await world.connection.invoke.import('lobby', three())).toEqual([1, 2, 3]);
  expect(world.server.last.heard[0]).toEqual({ type: 1, invocationId: '1', target: 'import', arguments: ['lobby'], streamIds: ['0'] });
});
