import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { openRequests } from './open-requests.ts';
import type { RawClient } from './raw-client.ts';
import { threeNodes, World, type ThreeNodes } from './three-nodes.ts';

const fails = (): string => {
  throw new Error('no!');
};
const unavailable = expect.objectContaining({ code: 'backplane_unavailable', details: { local: 0 } }) as Error;
const gone = expect.objectContaining({ code: 'connection_gone' }) as Error;

interface Outage extends ThreeNodes {
  readonly near: RawClient;
  readonly failing: RawClient;
  readonly far: RawClient;
  /** A client of a node that joined after the link was cut, so that `a` does not know it. */
  readonly late: RawClient;
  /** A client that was connected to `a`. */
  readonly left: RawClient;
}

/** Starts `a`, `b` and `c`, and cuts the link of `a`. The clock stands still, so an operation that waits never settles. */
async function outage(): Promise<Outage & AsyncDisposable> {
  const nodes = await threeNodes({ clock: new ManualClock() });
  const { world, a, b } = nodes;
  const near = await world.client(a, { user: 'near', answer: () => 'near' });
  const failing = await world.client(a, { user: 'failing', answer: fails });
  const far = await world.client(b, { user: 'far', answer: () => 'far' });
  const left = await world.client(a);
  await left.close();
  await until(async () => (await a.hub.presence.count()).value === 3);
  world.faults.cut('a');
  await until(() => a.server.health().backplane === 'down');
  const late = await world.client(await world.start('late'), { user: 'late' });
  return { ...nodes, near, failing, far, late, left };
}

describe('a node whose link is down', () => {
  it('a node whose link is down calls its own clients, and rejects calls to other clients at once', async () => {
    await using nodes = await outage();
    const { near, far, late, left } = nodes;
    const invoke = ({ id }: RawClient) => nodes.a.hub.clients.connection(id).invoke.confirm('?');
    expect(await invoke(near)).toBe('near');
    await expect(invoke(far)).rejects.toEqual(unavailable);
    await expect(invoke(late)).rejects.toEqual(unavailable);
    await expect(invoke(left)).rejects.toEqual(gone);
  });

  it('a node whose link is down collects results from its own clients, and names the nodes of other connections', async () => {
    await using nodes = await outage();
    const { clients } = nodes.a.hub;
    const collect = async (...ids: readonly [string, ...string[]]) => {
      const [first, ...rest] = ids;
      const outcomes = clients.anyOf(clients.connection(first), ...rest.map((id) => clients.connection(id))).invokeAll.confirm('?');
      const { items, missingNodes } = await outcomes;
      const lines = items.map((outcome) => `${outcome.nodeId}: ${outcome.status === 'fulfilled' ? outcome.value : outcome.code}`);
      return { lines: lines.sort(), missing: [...missingNodes].sort() };
    };
    expect(await collect(nodes.near.id)).toEqual({ lines: ['a: near'], missing: [] });
    expect(await collect(nodes.near.id, nodes.far.id)).toEqual({ lines: ['a: near', 'b: node_silent'], missing: ['b'] });
    expect(await collect(nodes.near.id, nodes.late.id)).toEqual({ lines: ['a: near'], missing: ['b', 'c'] });
  });

  it.each([false, true])(
    'a node whose link is down with invokeOne calls its own clients, and names the nodes that it cannot reach (race: %s)',
    async (race) => {
      await using nodes = await outage();
      const { clients } = nodes.a.hub;
      const { near, failing, far } = nodes;
      expect(await clients.all.with({ race }).invokeOne.confirm('?')).toBe('near');
      const refused = clients.all.except(near.id).with({ race }).invokeOne.confirm('?');
      await expect(refused).rejects.toMatchObject({
        code: 'no_client_responded',
        details: { causes: [{ connectionId: failing.id, code: 'client_error' }], missingNodes: ['b', 'c'] },
      });
      for (const target of [clients.user('far'), clients.group('nobody'), clients.connection(far.id)]) {
        await expect(target.with({ race }).invokeOne.confirm('?')).rejects.toEqual(unavailable);
      }
      nodes.world.faults.heal('a');
      expect(await clients.user('far').with({ race }).invokeOne.confirm('?')).toBe('far');
      await expect(clients.group('nobody').with({ race }).invokeOne.confirm('?')).rejects.toMatchObject({
        code: 'no_client_responded',
        details: { causes: [], missingNodes: [] },
      });
    },
  );

  it('a node whose link is down names the nodes that invokeOne could no longer reach when the link went down during the call', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b, c } = nodes;
    const asked: string[] = [];
    const answer = (name: string) => (): Promise<string> => {
      asked.push(name);
      world.faults.cut('a');
      return new Promise(() => undefined);
    };
    await Promise.all([b, c].map((node) => world.client(node, { answer: answer(node.nodeId) })));
    const call = a.hub.clients.all
      .with({ attemptMs: 50 })
      .invokeOne.confirm('?')
      .catch((error: unknown) => error);
    await until(() => asked.length === 1);
    clock.advance(50);
    expect(await call).toMatchObject({
      code: 'no_client_responded',
      details: {
        causes: [{ code: 'call_timeout' }, { code: 'node_silent' }],
        missingNodes: ['b', 'c'].filter((name) => name !== asked[0]),
      },
    });
  });

  it('a node whose link is down changes its own connections, and rejects changes of other connections at once', async () => {
    await using nodes = await outage();
    const { hub } = nodes.a;
    const changes = [
      (id: string) => hub.groups.add(id, 'g'),
      (id: string) => hub.groups.remove(id, 'g'),
      (id: string) => hub.attributes.set(id, 'role', 'admin'),
    ];
    for (const change of changes) {
      await change(nodes.near.id);
      await expect(change(nodes.far.id)).rejects.toEqual(unavailable);
      await expect(change(nodes.late.id)).rejects.toEqual(unavailable);
      await expect(change(nodes.left.id)).rejects.toEqual(gone);
    }
    expect((await hub.presence.connections({ user: 'near' })).items).toMatchObject([{ attributes: { role: 'admin' }, groups: [] }]);
    expect(openRequests().nodeRequests).toBe(0);
  });

  it('a node whose link is down disconnects its own connections, and names the nodes that it cannot reach', async () => {
    await using nodes = await outage();
    const { near, failing, far, late, left } = nodes;
    const { hub } = nodes.a;
    const disconnect = async ({ id }: RawClient) => hub.disconnect({ connection: id });
    expect(await disconnect(near)).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(await disconnect(left)).toEqual({ value: 0, complete: true, missingNodes: [] });
    expect(await disconnect(far)).toEqual({ value: 0, complete: false, missingNodes: ['b'] });
    expect(await disconnect(late)).toEqual({ value: 0, complete: false, missingNodes: ['b', 'c'] });
    await near.ended;
    expect(await hub.disconnect({ all: true })).toEqual({ value: 1, complete: false, missingNodes: ['b', 'c'] });
    await failing.ended;
  });

  it('a node whose link is down answers queries about its own connections, and rejects queries about others', async () => {
    await using nodes = await outage();
    const { presence } = nodes.a.hub;
    expect(await presence.isOnline('near')).toBe(true);
    await expect(presence.isOnline('far')).rejects.toEqual(unavailable);
    expect(await presence.groupsOf(nodes.near.id)).toEqual([]);
    await expect(presence.groupsOf(nodes.left.id)).rejects.toEqual(gone);
    for (const { id } of [nodes.far, nodes.late]) await expect(presence.groupsOf(id)).rejects.toEqual(unavailable);
    expect(await nodes.a.server.nodes()).toMatchObject({ items: [{ nodeId: 'a' }], complete: false, missingNodes: ['b', 'c'] });
  });

  it('a node whose link is down starts a watch with its own connections, and adds the others when the link is up again', async () => {
    await using nodes = await outage();
    const seen: string[] = [];
    const over = new AbortController();
    const watching = (async () => {
      for await (const event of nodes.a.hub.presence.watch({ all: true }, { signal: over.signal })) {
        if (event.type !== 'snapshot') seen.push(`${event.type} ${event.connection.userId}`);
        else seen.push(`${event.items.length} without ${event.missingNodes.join()}: ${event.complete}`);
      }
    })();
    await until(() => seen.length === 1);
    await nodes.world.client(nodes.a, { user: 'new' });
    await until(() => seen.length === 2);
    expect(seen).toEqual(['2 without b,c: false', 'join new']);
    nodes.world.faults.heal('a');
    await until(() => seen.length === 4);
    expect(seen.slice(2).sort()).toEqual(['join far', 'join late']);
    over.abort();
    await watching;
  });
});

describe('a node whose link is down and that knows no other node', () => {
  const local = (count: number): Error => expect.objectContaining({ code: 'backplane_unavailable', details: { local: count } }) as Error;

  it('a node whose link is down and that knows no other node reports incomplete answers without naming a node', async () => {
    await using world = new World();
    const a = await world.start('a');
    const near = await world.client(a, { user: 'near', answer: () => 'near' });
    const failing = await world.client(a, { user: 'failing', answer: fails });
    const { hub } = a;
    const { clients, presence } = hub;
    expect(await presence.isOnline('late')).toBe(false);
    expect(await presence.count()).toEqual({ value: 2, complete: true, missingNodes: [] });
    world.faults.cut('a');
    await until(() => a.server.health().backplane === 'down');
    const late = await world.client(await world.start('late'), { user: 'late' });

    expect(await presence.count()).toMatchObject({ value: 2, complete: false });
    expect(await presence.count({ allOf: [{ all: true }, { user: 'near' }] })).toMatchObject({ value: 1, complete: false });
    for (const pages of [presence.connections(), presence.connections(undefined, { select: ['nodeId'] }), presence.users()]) {
      const { items, complete, missingNodes } = await pages;
      expect([items.length, complete, missingNodes]).toEqual([2, false, []]);
    }
    expect(await presence.isOnline('near')).toBe(true);
    await expect(presence.isOnline('late')).rejects.toEqual(unavailable);
    await expect(presence.groupsOf(late.id)).rejects.toEqual(unavailable);
    for await (const event of presence.watch()) {
      expect(event).toMatchObject({ type: 'snapshot', items: [{}, {}], complete: false, missingNodes: [] });
      break;
    }
    for await (const event of presence.watchUsers()) {
      expect(event).toMatchObject({ type: 'snapshot', items: ['near', 'failing'], complete: false, missingNodes: [] });
      break;
    }

    await expect(hub.groups.add(late.id, 'g')).rejects.toEqual(unavailable);
    await expect(hub.attributes.set(late.id, 'role', 'admin')).rejects.toEqual(unavailable);
    await expect(clients.connection(late.id).invoke.confirm('?')).rejects.toEqual(unavailable);
    const outcomes = clients.user('near').invokeAll.confirm('?');
    const items = [{ status: 'fulfilled', value: 'near' }];
    expect(await outcomes).toMatchObject({ items, complete: false, missingNodes: [] });
    const known = clients.connection(near.id).invokeAll.confirm('?');
    expect(await known).toMatchObject({ items: [{}], complete: true, missingNodes: [] });
    for (const race of [false, true]) {
      expect(await clients.all.with({ race }).invokeOne.confirm('?')).toBe('near');
      await expect(clients.user('failing').with({ race }).invokeOne.confirm('?')).rejects.toEqual(local(1));
      await expect(clients.user('late').with({ race }).invokeOne.confirm('?')).rejects.toEqual(local(0));
    }
    await expect(hub.disconnect({ connection: late.id })).rejects.toEqual(unavailable);
    expect(await hub.disconnect({ connection: failing.id })).toEqual({ value: 1, complete: true, missingNodes: [] });
    await failing.ended;
    await expect(hub.disconnect({ all: true })).rejects.toEqual(local(1));
    await near.ended;

    const joined: string[] = [];
    a.server.on('nodeJoined', ({ nodeId }) => joined.push(nodeId));
    world.faults.heal('a');
    await until(() => joined.includes('late'));
    expect(await presence.count()).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(await presence.isOnline('late')).toBe(true);
    expect(await hub.disconnect({ all: true })).toEqual({ value: 1, complete: true, missingNodes: [] });
  });
});
