import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { RawClient } from './fixtures/raw-client.ts';
import { WatchReader } from './fixtures/watch-reader.ts';
import { expectStoredKeys, liveProcesses } from './fixtures/expected-keys.ts';
import { LONG_WAIT, RedisTestCluster } from './fixtures/redis-test-cluster.ts';

const ids = (clients: Iterable<RawClient>): string[] => [...clients].map(({ id }) => id).sort();

describe('changes of a connection by another node', () => {
  it('a change of a connection by any node is in effect for queries and sends from every node when it resolves', async ({
    onTestFailed,
  }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, links: true, onTestFailed });
    cluster.links[1]!.delay(40); // if node-2 did not await its own write, the other nodes would be queried too early
    const clients = await Promise.all([1, 1, 2, 2, 3, 3].map((number) => cluster.connect(number)));
    for (let round = 0; round < 24; round++) {
      const client = clients[round % clients.length]!;
      // Each connection is changed by its own node and by others.
      const [by, from] = [1 + ((Math.floor(round / 2) + Math.floor(round / 12)) % 3), 1 + ((round + Math.floor(round / 3)) % 3)];
      const group = `g${round % 4}`;
      const value = `v${round % 2}`;
      if (round % 3 === 0) await cluster.set(client, { key: 'role', value, by });
      else if (client.groups.has(group)) await cluster.leave(client, group, by);
      else await cluster.join(client, group, by);

      const [members, ofRole] = [
        clients.filter(({ groups }) => groups.has(group)),
        clients.filter(({ attributes }) => attributes.role === value),
      ];
      const node = cluster.node(from);
      const where = { where: { role: value } };
      expect(await cluster.count(from, { group })).toEqual({ value: members.length, complete: true, missingNodes: [] });
      const { items } = await node.ask<{ items: { connectionId: string }[] }>('presence.connections', [
        where,
        { select: ['connectionId'] },
      ]);
      expect(items.map(({ connectionId }) => connectionId).sort()).toEqual(ids(ofRole));
      expect((await node.ask<string[]>('presence.groupsOf', [client.id])).sort()).toEqual([...client.groups].sort());
      await cluster.send(from, { group }, `${round} to ${group}`);
      await cluster.send(from, where, `${round} to ${value}`);
      await cluster.send(from, { all: true }, `${round}`);
      await until(() => clients.every(({ received }) => received.includes(`${round}`)), LONG_WAIT);
      const has = (text: string) => ids(clients.filter(({ received }) => received.includes(text)));
      expect(has(`${round} to ${group}`)).toEqual(ids(members));
      expect(has(`${round} to ${value}`)).toEqual(ids(ofRole));
    }
    await expectStoredKeys(cluster, liveProcesses(clients));
  }, 60_000);

  it('a change of a connection is rejected if the connection is gone, or its node does not answer', async ({ onTestFailed }) => {
    const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 5000 }; // longer than commandMs
    await using cluster = await RedisTestCluster.start({ nodes: 2, backplane, onTestFailed });
    const [goes, stays] = [await cluster.connect(2), await cluster.connect(2)];
    await goes.leave();
    await cluster.untilCounted(1);
    for (const call of [
      ['groups.add', [goes.id, 'g']],
      ['groups.remove', [goes.id, 'g']],
      ['attributes.set', [goes.id, 'k', 'v']],
    ] as const) {
      await expect(cluster.node(1).ask(call[0], call[1])).rejects.toMatchObject({ code: 'connection_gone' });
    }
    cluster.node(2).freeze();
    await expect(cluster.node(1).ask('groups.add', [stays.id, 'g'])).rejects.toMatchObject({ code: 'node_silent' });
    await cluster.node(2).kill();
    await expect(cluster.node(1).ask('groups.add', [stays.id, 'g'])).rejects.toMatchObject({
      code: expect.stringMatching(/^node_(silent|lost)$/) as string,
    });
    await cluster.untilCounted(0, [1]);
    // The lease has ended. Until this node notices it, the code is `node_lost`.
    await until(async () => (await cluster.events(1)).some(({ event }) => event === 'nodeLost'), LONG_WAIT);
    await expect(cluster.node(1).ask('groups.add', [stays.id, 'g'])).rejects.toMatchObject({ code: 'connection_gone' });
  }, 60_000);
});

describe('disconnect', () => {
  it('disconnect returns the number of ended connections and the nodes that did not acknowledge, which disconnect when they run again', async ({
    onTestFailed,
  }) => {
    const backplane = { heartbeatIntervalMs: 500, nodeTimeoutMs: 15_000, redisTimeoutMs: 5000 };
    await using cluster = await RedisTestCluster.start({ nodes: 4, backplane, links: true, onTestFailed });
    const clients = await Promise.all([1, 2, 3, 4].flatMap((number) => ['ann', 'bob'].map((user) => cluster.connect(number, { user }))));
    const of = (user: string): RawClient[] => clients.filter((client) => client.user === user);
    cluster.node(3).freeze();
    expect(await cluster.node(1).ask('disconnect', [{ user: 'ann' }, 'revoked'])).toEqual({
      value: 3,
      complete: false,
      missingNodes: ['node-3'],
    });
    expect(await cluster.node(2).ask('disconnect', [{ connection: clients[5]!.id }])).toEqual({
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
    cluster.node(3).thaw();
    await Promise.all([clients[4]!.closed, clients[5]!.closed]);
    await cluster.untilCounted(3);
    expect(await cluster.isOnline(2, 'ann')).toBe(false);

    cluster.links[1]!.cut();
    await until(async () => (await cluster.node(2).ask<{ backplane: string }>('health')).backplane === 'down', LONG_WAIT);
    const cutOff = await cluster.node(2).ask<{ missingNodes: string[] }>('disconnect', [{ user: 'bob' }]);
    expect({ ...cutOff, missingNodes: cutOff.missingNodes.sort() }).toEqual({
      value: 1,
      complete: false,
      missingNodes: ['node-1', 'node-3', 'node-4'],
    });
    await clients[3]!.closed;
    expect(clients[1]!.isClosed).toBe(false);
    await cluster.links[1]!.heal();
    await cluster.untilCounted(2);
    expect(await cluster.node(2).ask('disconnect', [{ user: 'bob' }])).toEqual({ value: 2, complete: true, missingNodes: [] });
    await Promise.all(clients.map(({ closed }) => closed));
    await cluster.untilCounted(0);
  }, 60_000);

  it('disconnect names nodes whose lease has ended; a frozen node disconnects when it runs again, a node that was cut off when disconnect is repeated', async ({
    onTestFailed,
  }) => {
    const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 2000 };
    await using cluster = await RedisTestCluster.start({ nodes: 3, backplane, links: true, onTestFailed });
    const onFrozen = await Promise.all(['ann', 'bob', 'cat'].map((user) => cluster.connect(2, { user })));
    const onCut = await cluster.connect(3, { user: 'ann' });
    const [ann, bob, cat] = onFrozen as [RawClient, RawClient, RawClient];
    const isLost = async (): Promise<boolean> => (await cluster.events(1)).filter(({ event }) => event === 'nodeLost').length === 2;
    cluster.node(2).freeze();
    cluster.links[2]!.cut();
    await until(isLost, LONG_WAIT);
    const askedAt = performance.now();
    const answer = await cluster.node(1).ask<{ missingNodes: string[] }>('disconnect', [{ user: 'ann' }, 'revoked']);
    expect({ ...answer, missingNodes: answer.missingNodes.sort() }).toEqual({
      value: 0,
      complete: false,
      missingNodes: ['node-2', 'node-3'],
    });
    expect(await cluster.node(1).ask('disconnect', [{ connection: bob.id }])).toEqual({
      value: 0,
      complete: false,
      missingNodes: ['node-2'],
    });
    expect(performance.now() - askedAt).toBeLessThan(1900); // it does not wait for an acknowledgement, which would take 2 s
    expect([ann.isClosed, bob.isClosed]).toEqual([false, false]);
    cluster.node(2).thaw();
    await cluster.links[2]!.heal();
    await Promise.all([ann.closed, bob.closed]);
    await until(async () => {
      const events = await cluster.events(1);
      return ['node-2', 'node-3'].every((nodeId) => events.findLast((one) => one.nodeId === nodeId)?.event === 'nodeJoined');
    }, LONG_WAIT);
    const again = await cluster.node(1).ask<{ value: number }>('disconnect', [{ user: 'ann' }]);
    // Repair delivers the first command too. The connection is ended by the command that arrives first.
    expect(again).toEqual({ value: again.value === 0 ? 0 : 1, complete: true, missingNodes: [] });
    await onCut.closed;
    await cluster.untilCounted(1);
    expect(cat.isClosed).toBe(false);
  }, 60_000);
});

describe('a user', () => {
  it('a user who opens a new connection before the old one ends is online for every node all the time', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 3, links: true, onTestFailed });
    cluster.links[1]!.delay(40); // the other nodes are faster
    const users = Array.from({ length: 8 }, (_, i) => `user ${i}`);
    const current = new Map(await Promise.all(users.map(async (user, i) => [user, await cluster.connect(1 + (i % 3), { user })] as const)));
    await using watch = WatchReader.users(cluster, 2, 1000);
    await until(() => watch.log.length === 1, LONG_WAIT);
    const seen: string[] = [];
    let isOver = false;
    const poll = async (number: number): Promise<void> => {
      for (let i = number; !isOver; i++) {
        const user = users[i % users.length]!;
        const [isOnline, { value, complete }] = await Promise.all([cluster.isOnline(number, user), cluster.count(number, { user })]);
        if (!isOnline || value < 1 || !complete) seen.push(`${user} from node-${number}: ${isOnline}, ${value}`);
      }
    };
    const polls = Promise.all([1, 2, 3].map(poll));
    await Promise.all(
      users.map(async (user, i) => {
        for (let round = 1; round <= 20; round++) {
          const old = current.get(user)!;
          current.set(user, await cluster.connect(1 + ((i + round) % 3), { user }));
          if (round % 2 === 0) old.drop();
          else void old.leave();
        }
      }),
    );
    isOver = true;
    await polls;
    expect(seen).toEqual([]);
    await cluster.untilCounted(users.length);
    for (const user of users) expect(await cluster.count(3, { user })).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(watch.log).toEqual(['snapshot']);
    await current.get(users[0]!)!.leave();
    await until(() => watch.log.length === 2, LONG_WAIT);
    expect(watch.log).toEqual(['snapshot', `offline ${users[0]}`]);
  }, 60_000);
});

describe('a watch', () => {
  it('a watch reports all changes of its filter on all nodes, also through a lost node and an outage of its own link', async ({
    onTestFailed,
  }) => {
    const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 2000, sweepDelayMs: 1500 };
    await using cluster = await RedisTestCluster.start({ nodes: 3, links: true, backplane, onTestFailed });
    const clients = await Promise.all([1, 2, 2, 3, 3].map((number) => cluster.connect(number)));
    const [a, b, c, d, e] = clients as [RawClient, RawClient, RawClient, RawClient, RawClient];
    await cluster.join(a, 'g', 2);
    await cluster.join(d, 'g', 2);
    await using watch = WatchReader.connections(cluster, 1, { group: 'g' });
    await using other = WatchReader.connections(cluster, 2, { all: true });
    await until(() => watch.log.length === 1 && other.log.length === 1, LONG_WAIT);
    expect([watch.present, other.present]).toEqual([ids([a, d]), ids(clients)]);

    await cluster.join(b, 'g', 3);
    await cluster.join(e, 'g', 3);
    await cluster.leave(a, 'g', 3);
    await cluster.leave(b, 'g', 3);
    await until(() => watch.log.length === 5, LONG_WAIT);
    expect(watch.log).toEqual(['snapshot', `join ${b.id}`, `join ${e.id}`, `leave ${a.id} changed`, `leave ${b.id} changed`]);

    // While the link is cut, no connection leaves. Afterwards the watch reports the changes that it missed.
    cluster.links[0]!.cut();
    await until(async () => (await cluster.node(1).ask<{ backplane: string }>('health')).backplane === 'down', LONG_WAIT);
    await cluster.join(c, 'g', 2);
    await e.leave();
    await cluster.untilCounted(3, [2, 3]); // without node-1 and without e
    expect(watch.log).toHaveLength(5);
    await cluster.links[0]!.heal();
    await until(() => watch.log.length === 7, LONG_WAIT);
    expect(watch.log.slice(5).sort()).toEqual([`join ${c.id}`, `leave ${e.id} ended`]);
    await until(() => String(other.present) === String(ids([a, b, c, d])), LONG_WAIT);

    await cluster.node(3).kill();
    await until(() => watch.log.length === 8 && !other.present.includes(d.id), LONG_WAIT);
    expect(watch.log[7]).toBe(`leave ${d.id} node_lost`);
    expect(other.log.at(-1)).toBe(`leave ${d.id} node_lost`);
    await cluster.node(3).restart();
    const f = await cluster.connect(3);
    await cluster.join(f, 'g', 1);
    await until(() => watch.log.length === 9 && other.present.includes(f.id), LONG_WAIT);
    expect([watch.present, other.present]).toEqual([ids([c, f]), ids([a, b, c, f])]);

    cluster.node(2).freeze();
    await until(() => watch.present.length === 1, LONG_WAIT);
    expect(watch.log.at(-1)).toBe(`leave ${c.id} node_lost`);
    cluster.node(2).thaw();
    await until(() => watch.present.length === 2, LONG_WAIT);
    await cluster.leave(c, 'g', 1);
    await until(() => watch.present.length === 1, LONG_WAIT);
    await until(() => String(other.present) === String(ids([a, b, c, f])), LONG_WAIT);
    expect([watch, other].map(({ wrong, failure }) => ({ wrong, failure }))).toEqual(
      [watch, other].map(() => ({ wrong: [], failure: undefined })),
    );
    const [process1, process2] = [a.process, b.process];
    const live = liveProcesses([a, b, c, f]).map((one) => {
      return {
        ...one,
        watches:
          one.process === process1 ? ['testhub:group:g']
          : one.process === process2 ? ['testhub:all']
          : [],
      };
    });
    await expectStoredKeys(cluster, live);
  }, 90_000);
});
