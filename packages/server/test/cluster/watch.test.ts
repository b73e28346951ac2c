import { random, until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { Filter } from '@hubline/server';
import { follow, Follower } from './watch-followers.ts';
import type { RawClient } from './raw-client.ts';
import { threeNodes, World, type Attributes, type Node } from './three-nodes.ts';

describe('a watch', () => {
  it('a watch starts with a snapshot, then reports joins, updates and leaves on any node', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const early = await world.client(b, { user: 'u', role: 'connection' });
    using all = follow(a);
    using near = follow(b);
    await until(() => all.log.length > 0 && near.log.length > 0);
    expect(all.ids).toEqual([early.id]);
    expect(all.present.get(early.id)).toMatchObject({ nodeId: 'b', userId: 'u', attributes: { role: 'connection' }, groups: [] });
    const late = await world.client(c);
    await until(() => all.present.has(late.id));
    await early.call('join', 'g');
    await until(() => all.present.get(early.id)?.groups.includes('g'));
    await a.hub.attributes.set(early.id, 'note', 'n');
    await until(() => all.present.get(early.id)?.attributes.note === 'n');
    await late.close();
    await until(() => !all.present.has(late.id));
    early.drop();
    await until(() => all.ids.length === 0 && near.ids.length === 0);
    const log = [
      ...['snapshot', `join ${late.id}`, `update ${early.id}`, `update ${early.id}`],
      ...[`leave ${late.id} ended`, `leave ${early.id} ended`],
    ];
    expect(all.log).toEqual(log);
    expect(near.log).toEqual(log);
  });

  it('a watch reports exactly the connections that its filter names', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b, { user: 'u', role: 'connection', level: 1 });
    const other = await world.client(b, { user: 'v', role: 'connection', level: 2 });
    const filters: readonly Filter<Attributes>[] = [
      { group: 'g' },
      { user: 'u' },
      { connection: client.id },
      { where: { role: 'admin' } },
      { where: { role: 'admin', level: 1 } },
      { allOf: [{ group: 'g' }, { where: { role: 'admin' } }] },
      { anyOf: [{ group: 'g' }, { where: { role: 'admin' } }] },
      { all: true, except: [other.id] },
    ];
    const followers = filters.map((filter) => follow(a, filter));
    await until(() => followers.every(({ log }) => log.length > 0));
    const [join, update, leave] = ['join', 'update', 'leave'].map((type) => `${type} ${client.id}`);
    await client.call('join', 'g');
    await a.hub.attributes.set(client.id, 'role', 'admin');
    await client.call('leave', 'g');
    await a.hub.attributes.set(client.id, 'role', 'connection');
    await other.close();
    await client.close();
    const changed = `${leave} changed`;
    const gone = `${leave} ended`;
    const expected = [
      [join, update, changed],
      [update, update, update, update, gone],
      [update, update, update, update, gone],
      [join, update, changed],
      [join, update, changed],
      [join, changed],
      [join, update, update, changed],
      [update, update, update, update, gone],
    ];
    await until(() => followers.every(({ log }, i) => log.length > expected[i]!.length));
    expect(followers.map(({ log }) => log.slice(1))).toEqual(expected);
    for (const follower of followers) follower[Symbol.dispose]();
  });

  it('a watch reports each change during its start once', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b);
    const leaver = await world.client(b);
    const late: RawClient[] = [];
    world.tap.around = async (read) => {
      // The node watches already: it receives these changes, which are older than the snapshot …
      const comes = await world.client(b);
      await client.call('join', 'g');
      await client.call('join', 'h');
      await leaver.close();
      await comes.close();
      await until(async () => (await b.hub.presence.count()).value === 1);
      const snapshot = await read();
      // … and these, which are newer, before the snapshot is returned.
      late.push(await world.client(b));
      await client.call('leave', 'g');
      await a.hub.presence.count();
      return snapshot;
    };
    using all = follow(a);
    await until(() => all.log.length > 0);
    expect(all.ids).toEqual([client.id, late[0]?.id].sort());
    expect(all.present.get(client.id)?.groups).toEqual(['h']);
    await client.call('join', 'i');
    await until(() => all.log.length > 1);
    expect(all.log).toEqual(['snapshot', `update ${client.id}`]);
  });

  it('a watch over several topics ignores outdated changes from a late channel', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const [leaver, mover] = [await world.client(b), await world.client(b)];
    for (const client of [leaver, mover]) for (const group of ['fast', 'slow']) await client.call('join', group);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.tap.hold = (channel) => (channel === 'watch=room:group:slow' ? held : undefined);
    using all = follow(a, { anyOf: [{ group: 'fast' }, { group: 'slow' }] });
    await until(() => all.log.length === 1);
    await a.hub.attributes.set(leaver.id, 'note', '1');
    await a.hub.attributes.set(mover.id, 'note', '1');
    await a.hub.attributes.set(mover.id, 'note', '2');
    await leaver.close();
    await until(() => all.log.length === 5);
    release();
    await mover.call('leave', 'fast');
    await until(() => all.log.length === 6);
    const updates = [`update ${leaver.id}`, `update ${mover.id}`, `update ${mover.id}`];
    expect(all.log).toEqual(['snapshot', ...updates, `leave ${leaver.id} ended`, `update ${mover.id}`]);
    expect(all.present.get(mover.id)).toMatchObject({ attributes: { note: '2' }, groups: ['slow'] });
  });

  it('a watch over several topics never adds a connection again that has left, because of a late channel', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b);
    for (const group of ['fast', 'slow']) await client.call('join', group);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.tap.hold = (channel) => (channel === 'watch=room:group:slow' ? held : undefined);
    using all = follow(a, { anyOf: [{ group: 'fast' }, { group: 'slow' }] });
    await until(() => all.log.length === 1);
    await a.hub.attributes.set(client.id, 'note', '1');
    await Promise.all(['fast', 'slow'].map((group) => b.hub.groups.remove(client.id, group)));
    await until(() => all.ids.length === 0);
    release();
    await client.call('join', 'slow');
    await a.hub.attributes.set(client.id, 'note', '2');
    await until(() => all.present.get(client.id)?.attributes.note === '2');
    const [join, update, leave] = ['join', 'update', 'leave'].map((type) => `${type} ${client.id}`);
    expect(all.log).toEqual(['snapshot', update, `${leave} changed`, join, update]);
  });

  it.each(Array.from({ length: 12 }, (_, i) => i + 1))(
    'a watch that starts during many changes ends with the same connections as a query (seed %i)',
    { timeout: 20_000 },
    async (seed) => {
      await using nodes = await threeNodes();
      const { world, a, b, c } = nodes;
      const chance = random(seed);
      const all = [a, b, c];
      const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)]!;
      const here: RawClient[] = [];
      const step = async (): Promise<void> => {
        const what = chance();
        if (here.length < 3 || what < 0.3) {
          here.push(await world.client(pick(all), { role: pick(['x', 'y']) }));
        } else if (what < 0.5) {
          const [leaver] = here.splice(Math.floor(chance() * here.length), 1);
          if (what < 0.4) await leaver?.close();
          else leaver?.drop();
        } else if (what < 0.75) {
          await pick(all)
            .hub.groups[pick(['add', 'remove'] as const)](pick(here).id, 'g')
            .catch(() => undefined); // the connection may be ending
        } else {
          await pick(all)
            .hub.attributes.set(pick(here).id, 'role', pick(['x', 'y']))
            .catch(() => undefined); // the connection may be ending
        }
      };
      const churn = async (steps: number): Promise<void> => {
        for (let i = 0; i < steps; i++) await step();
      };
      await churn(6);
      const busy = Promise.all([churn(15), churn(15), churn(15)]);
      const filters: readonly Filter<Attributes>[] = [
        { all: true },
        { group: 'g' },
        { where: { role: 'x' } },
        { anyOf: [{ group: 'g' }, { where: { role: 'x' } }] },
        { allOf: [{ group: 'g' }, { where: { role: 'y' } }] },
      ];
      const followers = filters.map((filter) => [filter, follow(pick(all), filter)] as const);
      await busy;
      await until(async () => (await a.hub.presence.count()).value === here.length);
      for (const [filter, follower] of followers) {
        const truth = async () => {
          const { items } = await a.hub.presence.connections(filter);
          return items.map(({ connectionId, attributes, groups }) => ({ connectionId, attributes, groups }));
        };
        await expect
          .poll(
            () => follower.ids.map((id) => follower.present.get(id)).map((info) => JSON.stringify(info && [info.attributes, info.groups])),
            { interval: 5 },
          )
          .toEqual((await truth()).map(({ attributes, groups }) => JSON.stringify([attributes, groups])));
        expect(follower.ids).toEqual((await truth()).map(({ connectionId }) => connectionId).sort());
        expect(follower.wrong).toEqual([]);
        follower[Symbol.dispose]();
      }
    },
  );
});

describe('a watch during faults', () => {
  it('a watch reports the leave of all clients of a lost node at once, and their join when the node is back', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const clients = await Promise.all([world.client(b), world.client(b)]);
    using all = follow(a);
    await until(() => all.log.length > 0);
    world.faults.expire('b');
    await until(() => all.ids.length === 0);
    expect(all.log.slice(1).sort()).toEqual(clients.map(({ id }) => `leave ${id} node_lost`).sort());
    world.faults.thaw('b');
    await until(() => all.ids.length === 2);
    expect(all.log.slice(3).sort()).toEqual(clients.map(({ id }) => `join ${id}`).sort());
    expect(all.wrong).toEqual([]);
  });

  it('a watch reports no leave while the store is flushed, and no complete count is wrong', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    await Promise.all([world.client(b), world.client(b)]);
    using all = follow(a);
    await until(() => all.ids.length === 2);
    const lost: string[] = [];
    let gaps = 0;
    a.server.on('nodeLost', ({ nodeId }) => lost.push(nodeId));
    a.server.on('gap', () => gaps++);
    for (let round = 1; round <= 5; round++) {
      world.faults.flush();
      const { value, complete } = await a.hub.presence.count();
      expect(complete ? value : 2).toBe(2);
      await until(() => gaps === round);
    }
    const late = await world.client(b);
    await until(() => all.ids.length === 3);
    expect(all.log).toEqual(['snapshot', `join ${late.id}`]);
    expect(lost).toEqual([]);
  });

  it('a watch reports the changes that it missed when the backplane reports it as stale', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    using all = follow(a);
    await until(() => all.log.length > 0);
    let arrive = (): void => undefined;
    const late = new Promise<void>((resolve) => (arrive = resolve));
    world.tap.hold = (channel) => (channel.startsWith('watch=') ? late : undefined);
    const client = await world.client(b);
    expect(all.ids).toEqual([]);
    world.tap.stale('a');
    await until(() => all.ids.length > 0);
    arrive();
    expect(all.log).toEqual(['snapshot', `join ${client.id}`]);
  });

  it('a watch reports the leave of all clients of a closed node at once', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    await Promise.all([world.client(b), world.client(b)]);
    using all = follow(a);
    await until(() => all.ids.length === 2);
    await b.server.close();
    await until(() => all.ids.length === 0);
    expect(all.wrong).toEqual([]);
  });

  it('a watch reports only the changes after an outage of another node', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const [stays, leaves, changes] = await Promise.all([world.client(b), world.client(b), world.client(b)]);
    using all = follow(a);
    await until(() => all.log.length > 0);
    world.faults.cut('b');
    await leaves.close();
    await changes.call('join', 'g');
    const comes = await world.client(b);
    await until(async () => (await b.hub.presence.count()).value === 3);
    expect(all.log).toEqual(['snapshot']);
    world.faults.heal('b');
    await until(() => all.log.length === 4);
    expect(all.log.slice(1).sort()).toEqual([`join ${comes.id}`, `leave ${leaves.id} ended`, `update ${changes.id}`].sort());
    expect(all.ids).toEqual([stays.id, changes.id, comes.id].sort());
  });

  it('a watch reports the changes after an outage of its own node', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const [leaves, lost] = await Promise.all([world.client(b), world.client(c)]);
    const near = await world.client(a);
    using all = follow(a);
    await until(() => all.log.length > 0);
    world.faults.cut('a');
    await leaves.close();
    const comes = await world.client(b);
    world.faults.expire('c');
    await near.call('join', 'g'); // changes of local connections are still reported
    await until(() => all.log.length === 2);
    expect(all.log).toEqual(['snapshot', `update ${near.id}`]);
    world.faults.heal('a');
    await until(() => all.log.length === 5);
    expect(all.log.slice(2).sort()).toEqual([`join ${comes.id}`, `leave ${leaves.id} ended`, `leave ${lost.id} node_lost`].sort());
  });

  it('a watch reports the changes after its own node was declared dead by mistake', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const leaves = await world.client(b);
    using all = follow(a);
    await until(() => all.log.length > 0);
    world.faults.expire('a');
    await leaves.close();
    const comes = await world.client(b);
    world.faults.thaw('a');
    await until(() => all.ids.join() === comes.id);
    expect(all.wrong).toEqual([]);
  });
});

describe('a watch that ends', () => {
  const held = (world: World, { nodeId }: Node) => ({
    watches: [...world.tap.watches(nodeId)],
    channels: world.tap.channels(nodeId).filter((channel) => channel.startsWith('watch=')),
  });
  const nothing = { watches: [], channels: [] };
  const filter: Filter<Attributes> = { anyOf: [{ group: 'g' }, { user: 'u' }] };

  it('a watch that ends releases its subscriptions and directory watches after a break and after an abort', async () => {
    await using nodes = await threeNodes();
    const { world, a } = nodes;
    for await (const event of a.hub.presence.watch(filter)) {
      expect(event).toEqual({ type: 'snapshot', resynchronised: false, items: [], complete: true, missingNodes: [] });
      expect(held(world, a).watches).toHaveLength(2);
      expect(held(world, a).channels).toHaveLength(2);
      break;
    }
    await until(() => held(world, a).channels.length === 0);
    expect(held(world, a)).toEqual(nothing);

    const over = new AbortController();
    const follower = new Follower(a.hub.presence.watch(filter, { signal: over.signal }));
    await until(() => follower.log.length > 0);
    over.abort();
    await follower.ended;
    await until(() => held(world, a).channels.length === 0);
    expect(held(world, a)).toEqual(nothing);
  });

  it('a watch that ends releases its subscriptions and directory watches when it is aborted at any moment of its start', async () => {
    await using nodes = await threeNodes();
    const { world, a } = nodes;
    for (let turns = 0; turns < 30; turns++) {
      const over = new AbortController();
      const follower = new Follower(a.hub.presence.watch(filter, { signal: over.signal }));
      for (let i = 0; i < turns; i++) await Promise.resolve();
      over.abort();
      await follower.ended;
    }
    world.faults.freeze('a'); // delays the answers of the directory
    const over = new AbortController();
    const follower = new Follower(a.hub.presence.watch(filter, { signal: over.signal }));
    over.abort();
    world.faults.thaw('a');
    await follower.ended;
    await until(() => held(world, a).channels.length === 0);
    expect(held(world, a)).toEqual(nothing);
  });

  it('a watch ends when the server closes', async () => {
    const world = new World();
    await using _end = world;
    const node = await world.start('a');
    const [all, users] = [new Follower(node.hub.presence.watch()), node.hub.presence.watchUsers()];
    const usersEnded = (async () => {
      for await (const event of users) expect(event.type).toBe('snapshot');
    })();
    await until(() => all.log.length > 0);
    await node.server.close();
    await Promise.all([all.ended, usersEnded]);
    await new Follower(node.hub.presence.watch()).ended;
    expect(world.tap.watches('a')).toEqual([]);
  });
});
