import { defineHub } from '@hubline/protocol';
import { createHubServer, type Filter, type Page } from '@hubline/server';
import { describe, expect, it } from 'vitest';
import { until } from '@hubline/testing';
import { RawClient } from './raw-client.ts';
import { threeNodes, type Attributes, type ThreeNodes } from './three-nodes.ts';

const gone = (connectionId: string) => expect.objectContaining({ code: 'connection_gone', details: { connectionId } }) as Error;
const unavailable = expect.objectContaining({ code: 'backplane_unavailable' }) as Error;

/** Twelve clients, four on each node: `u0` to `u5` twice each, in groups by their number. */
async function twelveClients(): Promise<ThreeNodes & AsyncDisposable & { readonly clients: readonly RawClient[] }> {
  const nodes = await threeNodes();
  const { world, a, b, c } = nodes;
  const start = async (i: number): Promise<RawClient> => {
    const role = i % 2 === 0 ? 'even' : 'odd';
    const client = await world.client([a, b, c][i % 3]!, { user: `u${i % 6}`, role, level: i });
    if (i % 3 !== 1) await client.call('join', 'some');
    if (i < 6) await client.call('join', 'first');
    return client;
  };
  const clients: RawClient[] = [];
  for (let i = 0; i < 12; i++) clients.push(await start(i));
  return { ...nodes, clients };
}

describe('queries for many users', () => {
  it('isOnline answers for many users in one call, and watchUsers reads one snapshot for many users', async () => {
    await using nodes = await twelveClients();
    const { world, a, b } = nodes;
    const ids = Array.from({ length: 500 }, (_, i) => `u${i}`);
    const here = new Set(ids.slice(0, 6));
    expect(await a.hub.presence.isOnline(ids)).toEqual({ value: here, complete: true, missingNodes: [] });
    expect(await a.hub.presence.isOnline([])).toEqual({ value: new Set(), complete: true, missingNodes: [] });
    await expect(a.hub.presence.isOnline(['u1', 5] as never)).rejects.toMatchObject({ code: 'invalid_option' });
    let snapshots = 0;
    world.tap.around = (read) => {
      snapshots++;
      return read();
    };
    const watch = a.hub.presence.watchUsers({ anyOf: ids.map((user) => ({ user })) })[Symbol.asyncIterator]();
    const { value } = (await watch.next()) as { readonly value: { readonly items: readonly string[] } };
    expect(new Set(value.items)).toEqual(here);
    expect(snapshots).toBe(1);
    await world.client(b, { user: 'u400' });
    expect((await watch.next()).value).toEqual({ type: 'online', userId: 'u400' });
    await watch.return?.();
    world.faults.cut('a');
    const { value: near, ...rest } = await a.hub.presence.isOnline(ids);
    expect(near.size).toBeGreaterThan(0);
    expect(rest).toEqual({ complete: false, missingNodes: ['b', 'c'] });
  });
});

describe('presence.connections', () => {
  it('presence.connections returns all fields of each connection on any node', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const before = Date.now();
    const client = await world.client(b, { user: 'u', role: 'admin', note: 'n' });
    await client.call('join', 'g');
    const anonymous = await world.client(c);
    const page = await a.hub.presence.connections();
    expect({ ...page, items: [] }).toEqual({ items: [], complete: true, missingNodes: [] });
    const connectedAt = expect.any(Number) as number;
    expect([...page.items].sort((x, y) => x.nodeId.localeCompare(y.nodeId))).toEqual([
      { connectionId: client.id, nodeId: 'b', userId: 'u', attributes: { role: 'admin', note: 'n' }, groups: ['g'], connectedAt },
      { connectionId: anonymous.id, nodeId: 'c', attributes: {}, groups: [], connectedAt },
    ]);
    for (const { connectedAt } of page.items) expect(connectedAt - before).toSatisfy((ms: number) => ms >= -1 && ms < 10_000);
  });

  it('presence.connections returns only the selected fields', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const { id: connectionId } = await world.client(b, { user: 'u' });
    const { presence } = a.hub;
    expect((await presence.connections({ user: 'u' }, { select: ['userId', 'groups'] })).items).toEqual([
      { connectionId, userId: 'u', groups: [] },
    ]);
    expect((await presence.connections({ all: true }, { select: ['nodeId'] })).items).toEqual([{ connectionId, nodeId: 'b' }]);
    expect((await presence.connections({ all: true }, { select: [] })).items).toEqual([{ connectionId }]);
  });

  it.each([1, 2, 5, 11, 12, 100])(
    'presence.connections returns each connection once in pages of %i, up to the last page',
    async (limit) => {
      await using nodes = await twelveClients();
      const { a, clients } = nodes;
      const filters: readonly (readonly [Filter<Attributes> | undefined, number])[] = [
        [undefined, 12],
        [{ group: 'some' }, 8],
        [{ allOf: [{ group: 'some' }, { where: { role: 'even' } }] }, 4],
        [{ all: true, except: [clients[3]!.id] }, 11],
      ];
      for (const [filter, count] of filters) {
        const pages: Page<{ readonly connectionId: string }>[] = [];
        for await (const page of a.hub.presence.connections(filter, { limit, select: [] })) pages.push(page);
        const ids = pages.flatMap(({ items }) => items.map(({ connectionId }) => connectionId));
        expect(ids).toHaveLength(count);
        expect(new Set(ids).size).toBe(count);
        expect(pages.at(-1)?.cursor).toBeUndefined();
        expect(pages.every(({ items }) => items.length <= limit)).toBe(true);
      }
      // A cursor can be passed to another node.
      const first = await a.hub.presence.connections({ all: true }, { limit, select: [] });
      if (first.cursor !== undefined) {
        const second = await nodes.c.hub.presence.connections({ all: true }, { limit, select: [], cursor: first.cursor });
        const seen = first.items.map(({ connectionId }) => connectionId);
        expect(second.items.filter(({ connectionId }) => seen.includes(connectionId))).toEqual([]);
      }
    },
  );

  it('presence.connections accepts filters of every shape, and count agrees', async () => {
    await using nodes = await twelveClients();
    const { clients } = nodes;
    const id = (i: number): string => clients[i]!.id;
    const cases: readonly (readonly [Filter<Attributes>, readonly number[]])[] = [
      [{ all: true }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
      [{ all: true, except: [id(0), id(11), 'nobody'] }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
      [{ group: 'first' }, [0, 1, 2, 3, 4, 5]],
      [{ group: 'first', except: [id(1)] }, [0, 2, 3, 4, 5]],
      [{ group: 'none' }, []],
      [{ user: 'u1' }, [1, 7]],
      [{ user: 'u1', except: [id(7)] }, [1]],
      [{ connection: id(5) }, [5]],
      [{ connection: 'nobody' }, []],
      [{ connection: id(5), except: [id(5)] }, []],
      [{ where: { role: 'even' } }, [0, 2, 4, 6, 8, 10]],
      [{ where: { role: 'even', level: 4 } }, [4]],
      [{ where: { role: 'even', level: 5 } }, []],
      [{ where: { role: 'even' }, except: [id(2), id(4)] }, [0, 6, 8, 10]],
      [{ allOf: [{ group: 'some' }, { group: 'first' }] }, [0, 2, 3, 5]],
      [{ allOf: [{ group: 'some', except: [id(3)] }, { group: 'first' }], except: [id(0)] }, [2, 5]],
      [{ anyOf: [{ group: 'first' }, { user: 'u1' }, { connection: id(11) }] }, [0, 1, 2, 3, 4, 5, 7, 11]],
      [{ anyOf: [{ allOf: [{ user: 'u0' }, { where: { level: 6 } }] }, { anyOf: [{ user: 'u3' }] }], except: [id(3)] }, [6, 9]],
    ];
    for (const { hub, nodeId } of [nodes.a, nodes.b, nodes.c]) {
      for (const [filter, expected] of cases) {
        const { items } = await hub.presence.connections(filter);
        const found = items.map(({ connectionId }) => clients.findIndex(({ id }) => id === connectionId));
        expect(
          found.sort((x, y) => x - y),
          `${JSON.stringify(filter)} on ${nodeId}`,
        ).toEqual(expected);
        expect(await hub.presence.count(filter)).toEqual({ value: expected.length, complete: true, missingNodes: [] });
      }
    }
  });

  it('presence.connections and all other operations of a hub find no connection of another hub', async () => {
    await using nodes = await threeNodes();
    const other = defineHub<{ nothing(): Promise<void> }, { welcome(id: string): void; said(text: string): void }>('other');
    await using server = createHubServer({ nodeId: 'd', backplane: nodes.world.tap });
    const { presence, clients, groups, disconnect } = server.hub(other, {
      path: '/other',
      connected: (ctx) => void ctx.clients.caller.send.welcome(ctx.connectionId),
      methods: { async nothing() {} },
    });
    await using client = await RawClient.connect(`http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/other`);
    const { hub } = nodes.a;
    const filter = { connection: client.id } as const;
    expect((await presence.connections(filter)).items).toHaveLength(1);
    expect((await hub.presence.connections(filter)).items).toEqual([]);
    expect(await hub.presence.count(filter)).toEqual({ value: 0, complete: true, missingNodes: [] });
    expect(await hub.presence.count()).toEqual({ value: 0, complete: true, missingNodes: [] });
    await expect(hub.presence.groupsOf(client.id)).rejects.toEqual(gone(client.id));
    await expect(hub.groups.add(client.id, 'g')).rejects.toEqual(gone(client.id));
    await expect(hub.clients.connection(client.id).invoke.confirm('?')).rejects.toEqual(gone(client.id));
    expect(await hub.disconnect(filter)).toEqual({ value: 0, complete: true, missingNodes: [] });
    hub.clients.connection(client.id).send.said('no');
    hub.clients.all.send.said('no');
    await groups.add(client.id, 'g');
    clients.group('g').send.said('end');
    await until(() => client.said.length > 0);
    expect(client.said).toEqual(['end']);
    expect((await disconnect(filter)).value).toBe(1);
  });
});

describe('presence.users', () => {
  it('presence.users returns each user with the number of connections, in pages', async () => {
    await using nodes = await twelveClients();
    await nodes.world.client(nodes.a); // a client without a user
    const users: unknown[] = [];
    for await (const { items, complete } of nodes.b.hub.presence.users({ limit: 4 })) {
      expect(complete).toBe(true);
      users.push(...items);
    }
    expect(users).toEqual(Array.from({ length: 6 }, (_, i) => ({ userId: `u${i}`, connections: 2 })));
    expect(await nodes.b.hub.presence.isOnline('u5')).toBe(true);
    expect(await nodes.b.hub.presence.isOnline('u6')).toBe(false);
  });
});

describe('a node whose link is cut', () => {
  it('a node whose link is cut answers queries with its own connections and names the missing nodes', async () => {
    await using nodes = await twelveClients();
    const { world, a, b, c, clients } = nodes;
    world.faults.cut('c');
    await until(() => c.server.health().backplane === 'down');
    const missingNodes = ['a', 'b'];
    const { presence } = c.hub;
    const page = await presence.connections();
    expect({ ...page, items: page.items.map(({ nodeId }) => nodeId) }).toEqual({
      items: ['c', 'c', 'c', 'c'],
      complete: false,
      missingNodes,
    });
    expect(await presence.count()).toMatchObject({ value: 4, complete: false });
    expect(await presence.count({ allOf: [{ group: 'some' }, { where: { role: 'odd' } }] })).toMatchObject({ value: 2, complete: false });
    expect(await presence.users()).toEqual({
      items: [
        { userId: 'u2', connections: 2 },
        { userId: 'u5', connections: 2 },
      ],
      complete: false,
      missingNodes,
    });
    expect(await presence.isOnline('u2')).toBe(true);
    await expect(presence.isOnline('u0')).rejects.toEqual(unavailable);
    await expect(presence.groupsOf(clients[0]!.id)).rejects.toEqual(unavailable);
    expect(await presence.groupsOf(clients[2]!.id)).toEqual(['some', 'first']);
    // The other nodes see the last written state of `c` until its lease ends.
    expect(await a.hub.presence.count()).toEqual({ value: 12, complete: true, missingNodes: [] });
    world.faults.expire('c');
    expect(await a.hub.presence.count()).toEqual({ value: 8, complete: true, missingNodes: [] });
    expect(await b.hub.presence.isOnline('u2')).toBe(false);
    world.faults.heal('c');
    expect(await a.hub.presence.count()).toEqual({ value: 12, complete: true, missingNodes: [] });
    expect(await presence.count()).toEqual({ value: 12, complete: true, missingNodes: [] });
  });

  it('a node whose link is cut applies joins and leaves locally, and writes them when the link is up again', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const stays = await world.client(b);
    const leaves = await world.client(b);
    await leaves.call('join', 'g');
    world.faults.cut('b');
    await stays.call('join', 'g');
    await leaves.close();
    const comes = await world.client(b, { user: 'u' });
    await comes.call('join', 'g');
    await until(async () => (await b.hub.presence.count()).value === 2);
    expect(await b.hub.presence.count({ group: 'g' })).toMatchObject({ value: 2, complete: false });
    b.hub.clients.group('g').send.said('near');
    world.faults.heal('b');
    expect(await a.hub.presence.count({ group: 'g' })).toEqual({ value: 2, complete: true, missingNodes: [] });
    expect(await a.hub.presence.isOnline('u')).toBe(true);
    a.hub.clients.group('g').send.said('far');
    await until(() => stays.said.length + comes.said.length === 4);
    expect([stays.said, comes.said]).toEqual([
      ['near', 'far'],
      ['near', 'far'],
    ]);
  });
});

it('groupsOf rejects with connection_gone for a connection that does not exist', async () => {
  await using nodes = await threeNodes();
  const { world, a, b } = nodes;
  const left = await world.client(b);
  await left.close();
  await until(async () => (await a.hub.presence.count()).value === 0);
  for (const id of ['nobody', left.id, left.id.slice(0, -1)]) await expect(a.hub.presence.groupsOf(id)).rejects.toEqual(gone(id));
});
