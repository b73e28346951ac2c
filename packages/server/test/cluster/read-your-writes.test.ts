import { random, until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { RawClient } from './raw-client.ts';
import { threeNodes, type Node, type ThreeNodes } from './three-nodes.ts';

const nodesOf = ({ a, b, c }: ThreeNodes): readonly Node[] => [a, b, c];

describe('read your writes', () => {
  it('a connection is in effect on every node when its start resolves', async () => {
    await using nodes = await threeNodes();
    for (let i = 0; i < 10; i++) {
      const client = await nodes.world.client(nodes.a, { user: `u${i}`, role: 'admin' });
      for (const { hub } of nodesOf(nodes)) {
        expect(await hub.presence.isOnline(`u${i}`)).toBe(true);
        expect((await hub.presence.count({ where: { role: 'admin' } })).value).toBe(i + 1);
        hub.clients.user(`u${i}`).send.said('hi');
      }
      await until(() => client.said.length === 3);
    }
  });

  it('a join and a leave are in effect on every node when they resolve', async () => {
    await using nodes = await threeNodes();
    const client = await nodes.world.client(nodes.b);
    for (let i = 0; i < 10; i++) {
      client.said.length = 0;
      await client.call('join', 'g');
      for (const { hub } of nodesOf(nodes)) {
        hub.clients.group('g').send.said('in');
        expect((await hub.presence.connections({ group: 'g' })).items.map(({ connectionId }) => connectionId)).toEqual([client.id]);
        expect(await hub.presence.groupsOf(client.id)).toEqual(['g']);
      }
      await client.call('leave', 'g');
      for (const { hub } of nodesOf(nodes)) {
        hub.clients.group('g').send.said('out');
        hub.clients.all.send.said('end');
        expect(await hub.presence.count({ group: 'g' })).toEqual({ value: 0, complete: true, missingNodes: [] });
        expect(await hub.presence.groupsOf(client.id)).toEqual([]);
      }
      await until(() => client.said.filter((text) => text === 'end').length === 3);
      expect(client.said.filter((text) => text !== 'end')).toEqual(['in', 'in', 'in']);
    }
  });

  it('a change by another node is in effect on every node when it resolves', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const client = await world.client(b, { role: 'connection', level: 1 });
    await a.hub.groups.add(client.id, 'g');
    c.hub.clients.group('g').send.said('in the group');
    expect(await c.hub.presence.groupsOf(client.id)).toEqual(['g']);
    await a.hub.groups.remove(client.id, 'g');
    c.hub.clients.group('g').send.said('wrong');
    await a.hub.attributes.set(client.id, 'role', 'admin');
    await a.hub.attributes.set(client.id, 'note', 'plain');
    c.hub.clients.where({ role: 'admin' }).send.said('an admin');
    c.hub.clients.where({ role: 'connection' }).send.said('wrong');
    c.hub.clients.where({ role: 'admin', level: 1 }).send.said('of level 1');
    const { items } = await c.hub.presence.connections({ where: { role: 'admin' } });
    expect(items.map(({ attributes }) => attributes)).toEqual([{ role: 'admin', level: 1, note: 'plain' }]);
    expect(await c.hub.presence.count({ where: { role: 'connection' } })).toEqual({ value: 0, complete: true, missingNodes: [] });
    c.hub.clients.all.send.said('end');
    await until(() => client.said.includes('end'));
    expect(client.said).toEqual(['in the group', 'an admin', 'of level 1', 'end']);
  });

  it('a change does not resolve before it is in effect, also if the same change is being written already', async () => {
    await using nodes = await threeNodes();
    const { world, b, c } = nodes;
    const client = await world.client(b, { role: 'connection' });
    const changes = [
      () => b.hub.groups.add(client.id, 'g'),
      () => b.hub.attributes.set(client.id, 'role', 'admin'),
      () => b.hub.attributes.set(client.id, 'note', 'n'),
      () => b.hub.groups.remove(client.id, 'g'),
    ];
    for (const change of changes) {
      // Nothing reaches the store while the node is frozen, so a change that does not wait for it settles within these turns.
      world.faults.freeze('b');
      const settled = [change(), change()];
      const first = await Promise.race([...settled.map((each) => each.then(() => 'settled')), turns(50)]);
      expect(first).toBe('waiting');
      world.faults.thaw('b');
      await Promise.all(settled);
    }
    const { items } = await c.hub.presence.connections({ where: { role: 'admin' } });
    expect(items).toMatchObject([{ connectionId: client.id, groups: [], attributes: { role: 'admin', note: 'n' } }]);
  });
});

async function turns(count: number): Promise<string> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
  return 'waiting';
}

describe('concurrent changes', () => {
  const GROUPS = ['g0', 'g1', 'g2', 'g3', 'g4'];

  it.each([1, 2, 3, 4])(
    'joins and leaves end in the state of the last change of each group (seed %i)',
    { timeout: 20_000 },
    async (seed) => {
      await using nodes = await threeNodes();
      const chance = random(seed);
      const all = nodesOf(nodes);
      const clients = await Promise.all(Array.from({ length: 24 }, (_, i) => nodes.world.client(all[i % 3]!)));
      const model = new Map(clients.map(({ id }) => [id, new Set<string>()]));
      const changeAtRandom = async (client: RawClient): Promise<void> => {
        for (let i = 0; i < 12; i++) {
          const groups = GROUPS.filter(() => chance() < 0.5);
          const joins = groups.map(() => chance() < 0.6);
          // Each caller changes a client in order; many clients are changed at once.
          const { hub } = all[Math.floor(chance() * 3)]!;
          const orders = groups.map((group, at) => (joins[at] ? hub.groups.add(client.id, group) : hub.groups.remove(client.id, group)));
          groups.forEach((group, at) => (joins[at] ? model.get(client.id)?.add(group) : model.get(client.id)?.delete(group)));
          await Promise.all(orders);
        }
      };
      await Promise.all(clients.map(changeAtRandom));
      for (const { hub } of all) {
        for (const group of GROUPS) {
          const expected = clients.map(({ id }) => id).filter((id) => model.get(id)?.has(group));
          const { items } = await hub.presence.connections({ group }, { select: [] });
          expect(items.map(({ connectionId }) => connectionId).sort(), group).toEqual(expected.sort());
          hub.clients.group(group).send.said(group);
        }
        hub.clients.all.send.said('end');
      }
      await until(() => clients.every(({ said }) => said.filter((text) => text === 'end').length === 3));
      for (const { id, said } of clients) {
        const expected = [...(model.get(id) ?? [])].sort().flatMap((group) => [group, group, group]);
        expect(said.filter((text) => text !== 'end').sort()).toEqual(expected);
      }
    },
  );

  it.each([1, 2, 3])('attributes end with their last value (seed %i)', { timeout: 20_000 }, async (seed) => {
    await using nodes = await threeNodes();
    const chance = random(seed);
    const all = nodesOf(nodes);
    const values = [1, '1', true, 'true', 0, false, ''];
    const clients = await Promise.all(Array.from({ length: 12 }, (_, i) => nodes.world.client(all[i % 3]!, { level: 1 })));
    const model = new Map<string, string | number | boolean>();
    const changeAtRandom = async ({ id }: RawClient): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        const { hub } = all[Math.floor(chance() * 3)]!;
        const several = Array.from({ length: 3 }, () => values[Math.floor(chance() * values.length)]!);
        const orders = several.map((value) => hub.attributes.set(id, 'level', value));
        model.set(id, several[2]!);
        await Promise.all(orders);
      }
    };
    await Promise.all(clients.map(changeAtRandom));
    for (const { hub } of all) {
      for (const level of values) {
        const expected = clients.map(({ id }) => id).filter((id) => model.get(id) === level);
        const { items } = await hub.presence.connections({ where: { level } });
        expect(items.map(({ connectionId }) => connectionId).sort(), JSON.stringify(level)).toEqual(expected.sort());
        expect(items.every(({ attributes }) => attributes.level === level)).toBe(true);
      }
    }
  });

  it('connects and disconnects never make the count of the remaining connections wrong', { timeout: 20_000 }, async () => {
    await using nodes = await threeNodes();
    const all = nodesOf(nodes);
    await nodes.world.client(nodes.a, { user: 'u' });
    let isChanging = true;
    const changeAtRandom = async (i: number): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        const client = await nodes.world.client(all[(i + round) % 3]!, { user: 'u' });
        if (round % 2 === 0) await client.close();
        else client.drop();
      }
    };
    const changes = Promise.all([changeAtRandom(0), changeAtRandom(1), changeAtRandom(2)]).finally(() => (isChanging = false));
    const seen = new Set<number>();
    while (isChanging) {
      for (const { hub } of all) {
        expect(await hub.presence.isOnline('u')).toBe(true);
        const { value } = await hub.presence.count({ user: 'u' });
        seen.add(value);
        const { items } = await hub.presence.users();
        expect(items.map(({ userId }) => userId)).toEqual(['u']);
        expect(items[0]?.connections).toBeGreaterThan(0);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await changes;
    expect(Math.min(...seen)).toBeGreaterThan(0);
    expect(Math.max(...seen)).toBeGreaterThan(1);
    for (const { hub } of all) await until(async () => (await hub.presence.count({ user: 'u' })).value === 1);
  });
});
