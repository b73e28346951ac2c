import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { threeNodes } from './three-nodes.ts';

it('presence, groups and disconnect accept a target in place of a filter, and select the same connections', async () => {
  await using nodes = await threeNodes();
  const { world, a, b, c } = nodes;
  const [ann, bob, admin] = [
    await world.client(a, { user: 'ann' }),
    await world.client(b, { user: 'bob' }),
    await world.client(c, { user: 'cat', role: 'admin' }),
  ];
  const { clients, presence, groups } = a.hub;
  const others = clients.all.except(ann.id);
  const ids = ({ items }: { readonly items: readonly { readonly connectionId: string }[] }) =>
    items.map(({ connectionId }) => connectionId);
  expect(await presence.count(others)).toEqual({ value: 2, complete: true, missingNodes: [] });
  expect(ids(await presence.connections(others)).sort()).toEqual([bob.id, admin.id].sort());
  expect(await groups.add(others, 'room')).toEqual({ value: 2, complete: true, missingNodes: [] });
  // Combinations may contain targets and filters.
  const both = clients.anyOf(clients.allOf(clients.group('room'), { where: { role: 'admin' } }), { user: 'ann' });
  expect(ids(await presence.connections(both)).sort()).toEqual([ann.id, admin.id].sort());
  expect(await presence.count(clients.matching(both))).toMatchObject({ value: 2 });
  expect(await groups.remove(clients.where({ role: 'admin' }).with({ timeoutMs: 5 }), 'room')).toMatchObject({ value: 1 });
  expect(await presence.count({ group: 'room' })).toMatchObject({ value: 1 });
  for await (const event of presence.watch(clients.group('room'))) {
    expect(event).toMatchObject({ type: 'snapshot', items: [{ connectionId: bob.id }], complete: true, missingNodes: [] });
    break;
  }
  for await (const event of presence.watchUsers(others)) {
    expect(event.type === 'snapshot' && [...event.items].sort()).toEqual(['bob', 'cat']);
    break;
  }
  expect(await a.hub.disconnect(others, { code: 'expired' })).toEqual({ value: 2, complete: true, missingNodes: [] });
  await expect.poll(() => presence.count()).toMatchObject({ value: 1 });
});

it('presence, groups and disconnect refuse a target of another hub and values that are neither a filter nor a target', async () => {
  await using server = createHubServer();
  const [one, other] = ['one', 'other'].map((name) => server.hub(defineHub(name), { path: `/${name}`, methods: {} }));
  await server.ready();
  const refused = (option: string) => expect.objectContaining({ code: 'invalid_option', details: { option } }) as Error;
  await expect(one!.disconnect(other!.clients.all)).rejects.toEqual(refused('target'));
  await expect(one!.presence.count(other!.clients.group('g'))).rejects.toEqual(refused('target'));
  await expect(one!.groups.add(other!.clients.all, 'g')).rejects.toEqual(refused('target'));
  expect(() => one!.clients.anyOf(one!.clients.all, other!.clients.all)).toThrow(refused('target'));
  const { send, invokeAll, invokeOne } = one!.clients.all;
  await expect(one!.disconnect({ send, invokeAll, invokeOne })).rejects.toEqual(refused('filter'));
  for (const nothing of [null, 7] as unknown as [never]) await expect(one!.presence.count(nothing)).rejects.toEqual(refused('filter'));
});
