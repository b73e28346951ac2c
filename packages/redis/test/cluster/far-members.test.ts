import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { Client } from './kit/client.ts';
import { Follower } from './kit/follower.ts';
import { expectTruth, livingOf } from './kit/truth.ts';
import { PATIENT, World } from './kit/world.ts';

const ids = (clients: Iterable<Client>): string[] => [...clients].map(({ id }) => id).sort();

describe('what one node does to the connections of another', () => {
  it('is in effect everywhere when it resolves: for queries from any node, and for sends', async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: 3, links: true, onTestFailed });
    world.links[1]!.delay(40); // what is not waited for is seen too early by the others
    const clients = await Promise.all([1, 1, 2, 2, 3, 3].map((number) => world.connect(number)));
    for (let round = 0; round < 24; round++) {
      const client = clients[round % clients.length]!;
      // By its own node first, and then by another one.
      const [by, from] = [1 + ((Math.floor(round / 2) + Math.floor(round / 12)) % 3), 1 + ((round + Math.floor(round / 3)) % 3)];
      const group = `g${round % 4}`;
      const value = `v${round % 2}`;
      if (round % 3 === 0) await world.set(client, { key: 'role', value, by });
      else if (client.groups.has(group)) await world.part(client, group, by);
      else await world.join(client, group, by);

      const [members, ofRole] = [
        clients.filter(({ groups }) => groups.has(group)),
        clients.filter(({ attributes }) => attributes.role === value),
      ];
      const node = world.node(from);
      const where = { where: { role: value } };
      expect(await world.count(from, { group })).toEqual({ value: members.length, complete: true, missingNodes: [] });
      const { items } = await node.ask<{ items: { connectionId: string }[] }>('presence.connections', [
        where,
        { select: ['connectionId'] },
      ]);
      expect(items.map(({ connectionId }) => connectionId).sort()).toEqual(ids(ofRole));
      expect((await node.ask<string[]>('presence.groupsOf', [client.id])).sort()).toEqual([...client.groups].sort());
      await world.send(from, { group }, `${round} to ${group}`);
      await world.send(from, where, `${round} to ${value}`);
      await world.send(from, { all: true }, `${round}`);
      await until(() => clients.every(({ told }) => told.includes(`${round}`)), PATIENT);
      const has = (text: string) => ids(clients.filter(({ told }) => told.includes(text)));
      expect(has(`${round} to ${group}`)).toEqual(ids(members));
      expect(has(`${round} to ${value}`)).toEqual(ids(ofRole));
    }
    await expectTruth(world, livingOf(clients));
  }, 60_000);

  it('is refused where the connection is gone, and where its node is', async ({ onTestFailed }) => {
    const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 5000 }; // longer than the patience for an order
    await using world = await World.start({ nodes: 2, backplane, onTestFailed });
    const [goes, stays] = [await world.connect(2), await world.connect(2)];
    await goes.leave();
    await world.counted(1);
    for (const call of [
      ['groups.add', [goes.id, 'g']],
      ['groups.remove', [goes.id, 'g']],
      ['attributes.set', [goes.id, 'k', 'v']],
    ] as const) {
      await expect(world.node(1).ask(call[0], call[1])).rejects.toMatchObject({ code: 'connection_gone' });
    }
    world.node(2).freeze();
    await expect(world.node(1).ask('groups.add', [stays.id, 'g'])).rejects.toMatchObject({ code: 'node_silent' });
    await world.node(2).kill();
    await expect(world.node(1).ask('groups.add', [stays.id, 'g'])).rejects.toMatchObject({
      code: expect.stringMatching(/^node_(silent|lost)$/) as string,
    });
    await world.counted(0, [1]);
    // Its lease is over; who asks before that is noticed here hears `node_lost`.
    await until(async () => (await world.happened(1)).some(({ event }) => event === 'nodeLost'), PATIENT);
    await expect(world.node(1).ask('groups.add', [stays.id, 'g'])).rejects.toMatchObject({ code: 'connection_gone' });
  }, 60_000);
});

describe('a disconnect', () => {
  it('says how many it has ended, and names the nodes that it did not reach; what waits for these is done when they go on', async ({
    onTestFailed,
  }) => {
    const backplane = { heartbeatIntervalMs: 500, nodeTimeoutMs: 15_000, redisTimeoutMs: 5000 };
    await using world = await World.start({ nodes: 4, backplane, links: true, onTestFailed });
    const clients = await Promise.all([1, 2, 3, 4].flatMap((number) => ['ann', 'bob'].map((user) => world.connect(number, { user }))));
    const of = (user: string): Client[] => clients.filter((client) => client.user === user);
    world.node(3).freeze();
    expect(await world.node(1).ask('disconnect', [{ user: 'ann' }, 'revoked'])).toEqual({
      value: 3,
      complete: false,
      missingNodes: ['node-3'],
    });
    expect(await world.node(2).ask('disconnect', [{ connection: clients[5]!.id }])).toEqual({
      value: 0,
      complete: false,
      missingNodes: ['node-3'],
    });
    await Promise.all(
      of('ann')
        .filter((client) => client !== clients[4])
        .map(({ closed }) => closed),
    );
    expect(clients.filter(({ isClosed }) => isClosed)).toHaveLength(3);
    world.node(3).thaw();
    await Promise.all([clients[4]!.closed, clients[5]!.closed]);
    await world.counted(3);
    expect(await world.isOnline(2, 'ann')).toBe(false);

    world.links[1]!.cut();
    await until(async () => (await world.node(2).ask<{ backplane: string }>('health')).backplane === 'down', PATIENT);
    const cutOff = await world.node(2).ask<{ missingNodes: string[] }>('disconnect', [{ user: 'bob' }]);
    expect({ ...cutOff, missingNodes: cutOff.missingNodes.sort() }).toEqual({
      value: 1,
      complete: false,
      missingNodes: ['node-1', 'node-3', 'node-4'],
    });
    await clients[3]!.closed;
    expect(clients[1]!.isClosed).toBe(false);
    await world.links[1]!.heal();
    await world.counted(2);
    expect(await world.node(2).ask('disconnect', [{ user: 'bob' }])).toEqual({ value: 2, complete: true, missingNodes: [] });
    await Promise.all(clients.map(({ closed }) => closed));
    await world.counted(0);
  }, 60_000);

  it('names the nodes whose lease is over; one that was frozen does it when it goes on, one that was cut off when it is told again', async ({
    onTestFailed,
  }) => {
    const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 2000 };
    await using world = await World.start({ nodes: 3, backplane, links: true, onTestFailed });
    const onFrozen = await Promise.all(['ann', 'bob', 'cat'].map((user) => world.connect(2, { user })));
    const onCut = await world.connect(3, { user: 'ann' });
    const [ann, bob, cat] = onFrozen as [Client, Client, Client];
    const isLost = async (): Promise<boolean> => (await world.happened(1)).filter(({ event }) => event === 'nodeLost').length === 2;
    world.node(2).freeze();
    world.links[2]!.cut();
    await until(isLost, PATIENT);
    const askedAt = performance.now();
    const answer = await world.node(1).ask<{ missingNodes: string[] }>('disconnect', [{ user: 'ann' }, 'revoked']);
    expect({ ...answer, missingNodes: answer.missingNodes.sort() }).toEqual({
      value: 0,
      complete: false,
      missingNodes: ['node-2', 'node-3'],
    });
    expect(await world.node(1).ask('disconnect', [{ connection: bob.id }])).toEqual({
      value: 0,
      complete: false,
      missingNodes: ['node-2'],
    });
    expect(performance.now() - askedAt).toBeLessThan(1900); // not waited for: that would be 2 s
    expect([ann.isClosed, bob.isClosed]).toEqual([false, false]);
    world.node(2).thaw();
    await world.links[2]!.heal();
    await Promise.all([ann.closed, bob.closed]);
    await until(async () => {
      const happened = await world.happened(1);
      return ['node-2', 'node-3'].every((nodeId) => happened.findLast((one) => one.nodeId === nodeId)?.event === 'nodeJoined');
    }, PATIENT);
    const again = await world.node(1).ask<{ value: number }>('disconnect', [{ user: 'ann' }]);
    // Repair brings the first command too, in time or not: whichever is first ends the connection.
    expect(again).toEqual({ value: again.value === 0 ? 0 : 1, complete: true, missingNodes: [] });
    await onCut.closed;
    await world.counted(1);
    expect(cat.isClosed).toBe(false);
  }, 60_000);
});

describe('users', () => {
  it('who keep reconnecting, each time before the old connection has ended, are never seen as away from any node', async ({
    onTestFailed,
  }) => {
    await using world = await World.start({ nodes: 3, links: true, onTestFailed });
    world.links[1]!.delay(40); // others are faster
    const users = Array.from({ length: 8 }, (_, i) => `user ${i}`);
    const current = new Map(await Promise.all(users.map(async (user, i) => [user, await world.connect(1 + (i % 3), { user })] as const)));
    await using watch = Follower.users(world, 2, 1000);
    await until(() => watch.log.length === 1, PATIENT);
    const seen: string[] = [];
    let isOver = false;
    const poll = async (number: number): Promise<void> => {
      for (let i = number; !isOver; i++) {
        const user = users[i % users.length]!;
        const [isOnline, { value, complete }] = await Promise.all([world.isOnline(number, user), world.count(number, { user })]);
        if (!isOnline || value < 1 || !complete) seen.push(`${user} from node-${number}: ${isOnline}, ${value}`);
      }
    };
    const polls = Promise.all([1, 2, 3].map(poll));
    await Promise.all(
      users.map(async (user, i) => {
        for (let round = 1; round <= 20; round++) {
          const old = current.get(user)!;
          current.set(user, await world.connect(1 + ((i + round) % 3), { user }));
          if (round % 2 === 0) old.drop();
          else void old.leave();
        }
      }),
    );
    isOver = true;
    await polls;
    expect(seen).toEqual([]);
    await world.counted(users.length);
    for (const user of users) expect(await world.count(3, { user })).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(watch.log).toEqual(['snapshot']);
    await current.get(users[0]!)!.leave();
    await until(() => watch.log.length === 2, PATIENT);
    expect(watch.log).toEqual(['snapshot', `offline ${users[0]}`]);
  }, 60_000);
});

describe('a watch', () => {
  it('follows a filter over all nodes, through a lost node, and an outage of its own link', async ({ onTestFailed }) => {
    const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 2000, sweepDelayMs: 1500 };
    await using world = await World.start({ nodes: 3, links: true, backplane, onTestFailed });
    const clients = await Promise.all([1, 2, 2, 3, 3].map((number) => world.connect(number)));
    const [a, b, c, d, e] = clients as [Client, Client, Client, Client, Client];
    await world.join(a, 'g', 2);
    await world.join(d, 'g', 2);
    await using watch = Follower.connections(world, 1, { group: 'g' });
    await using other = Follower.connections(world, 2, { all: true });
    await until(() => watch.log.length === 1 && other.log.length === 1, PATIENT);
    expect([watch.present, other.present]).toEqual([ids([a, d]), ids(clients)]);

    await world.join(b, 'g', 3);
    await world.join(e, 'g', 3);
    await world.part(a, 'g', 3);
    await world.part(b, 'g', 3);
    await until(() => watch.log.length === 5, PATIENT);
    expect(watch.log).toEqual(['snapshot', `join ${b.id}`, `join ${e.id}`, `leave ${a.id} changed`, `leave ${b.id} changed`]);

    // While its link is cut nobody leaves; then it makes up for what it missed.
    world.links[0]!.cut();
    await until(async () => (await world.node(1).ask<{ backplane: string }>('health')).backplane === 'down', PATIENT);
    await world.join(c, 'g', 2);
    await e.leave();
    await world.counted(3, [2, 3]); // without node-1 and without e
    expect(watch.log).toHaveLength(5);
    await world.links[0]!.heal();
    await until(() => watch.log.length === 7, PATIENT);
    expect(watch.log.slice(5).sort()).toEqual([`join ${c.id}`, `leave ${e.id} ended`]);
    await until(() => String(other.present) === String(ids([a, b, c, d])), PATIENT);

    await world.node(3).kill();
    await until(() => watch.log.length === 8 && !other.present.includes(d.id), PATIENT);
    expect(watch.log[7]).toBe(`leave ${d.id} node_lost`);
    expect(other.log.at(-1)).toBe(`leave ${d.id} node_lost`);
    await world.node(3).restart();
    const f = await world.connect(3);
    await world.join(f, 'g', 1);
    await until(() => watch.log.length === 9 && other.present.includes(f.id), PATIENT);
    expect([watch.present, other.present]).toEqual([ids([c, f]), ids([a, b, c, f])]);

    world.node(2).freeze();
    await until(() => watch.present.length === 1, PATIENT);
    expect(watch.log.at(-1)).toBe(`leave ${c.id} node_lost`);
    world.node(2).thaw();
    await until(() => watch.present.length === 2, PATIENT);
    await world.part(c, 'g', 1);
    await until(() => watch.present.length === 1, PATIENT);
    await until(() => String(other.present) === String(ids([a, b, c, f])), PATIENT);
    expect([watch, other].map(({ wrong, failure }) => ({ wrong, failure }))).toEqual(
      [watch, other].map(() => ({ wrong: [], failure: undefined })),
    );
    const [process1, process2] = [a.process, b.process];
    const living = livingOf([a, b, c, f]).map((one) => {
      return {
        ...one,
        watches:
          one.process === process1 ? ['testhub:group:g']
          : one.process === process2 ? ['testhub:all']
          : [],
      };
    });
    await expectTruth(world, living);
  }, 90_000);
});
