import { expect, it } from 'vitest';
import { threeNodes } from './three-nodes.ts';

it('groups.add and groups.remove with a filter change the groups on every node and count the connections', async () => {
  await using nodes = await threeNodes();
  const { world, a, b, c } = nodes;
  const alice = [await world.client(a, { user: 'alice' }), await world.client(b, { user: 'alice' })];
  await world.client(c, { user: 'bob' });
  const done = (value: number) => ({ value, complete: true, missingNodes: [] });
  expect(await c.hub.groups.add({ user: 'alice' }, 'room')).toEqual(done(2));
  expect(await b.hub.presence.count({ group: 'room' })).toMatchObject({ value: 2 });
  expect(await a.hub.groups.add({ all: true }, 'room')).toEqual(done(3));
  expect(await a.hub.groups.remove({ group: 'room', except: [alice[0]!.id] }, 'room')).toEqual(done(2));
  expect(await c.hub.presence.groupsOf(alice[0]!.id)).toEqual(['room']);
  expect(await b.hub.groups.remove({ connection: alice[0]!.id }, 'room')).toEqual(done(1));
  expect(await c.hub.groups.remove({ user: 'nobody' }, 'room')).toEqual(done(0));
  expect(await a.hub.presence.count({ group: 'room' })).toMatchObject({ value: 0 });
});

it('groups.add with a filter names the nodes that did not answer', async () => {
  await using nodes = await threeNodes({ timeouts: { commandMs: 100 } });
  const { world, a, b } = nodes;
  await world.client(a);
  await world.client(b);
  world.faults.freeze('b');
  expect(await a.hub.groups.add({ all: true }, 'room')).toEqual({ value: 1, complete: false, missingNodes: ['b'] });
});
