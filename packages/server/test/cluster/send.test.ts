import { until } from '@hubline/testing';
import { describe, expect, it, vi } from 'vitest';
import { groupTopic } from '../../src/backplane/index.ts';
import { threeNodes } from './three-nodes.ts';

const error = (code: string, details: object = {}) => expect.objectContaining({ code, details }) as Error;

describe('a send', () => {
  it('a send reaches groups and users with any well-formed name', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const names = ['a:b', 'a', '{tag}', 'two words', 'çà 😀 文', 'Lobby', 'lobby', 'LOBBY', '%41', 'A', '*', 'x'.repeat(255)];
    const members = await Promise.all(names.map((user) => world.client(b, { user })));
    await Promise.all(members.map((member, i) => member.call('join', names[i])));
    for (const name of names) {
      a.hub.clients.group(name).send.said(`group ${name}`);
      a.hub.clients.user(name).send.said(`user ${name}`);
    }
    a.hub.clients.all.send.said('end');
    await until(() => members.every(({ said }) => said.includes('end')));
    expect(members.map(({ said }) => said)).toEqual(names.map((name) => [`group ${name}`, `user ${name}`, 'end']));
    expect((await a.hub.presence.users()).items.map(({ userId }) => userId).sort()).toEqual([...names].sort());
  });

  it('a send rejects a name that is not well-formed text', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b);
    const refused = (option: string) => error('invalid_option', { option });
    expect(() => a.hub.clients.group('\ud800')).toThrow(refused('group'));
    expect(() => a.hub.clients.user('\udc00x')).toThrow(refused('user'));
    await expect(a.hub.presence.isOnline('\ud800')).rejects.toThrow(refused('userId'));
    await expect(a.hub.groups.add(client.id, '\ud800')).rejects.toThrow(refused('group'));
    await expect(client.call('join', '\ud800')).rejects.toThrow("'join'");
    expect(await a.hub.presence.groupsOf(client.id)).toEqual([]);
  });

  it('a send keeps the order of each sender', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const client = await world.client(a, { user: 'u' });
    await client.call('join', 'g');
    for (let i = 0; i < 100; i++) {
      for (const { nodeId, hub } of [a, b, c]) {
        const ways = [hub.clients.all, hub.clients.group('g'), hub.clients.user('u'), hub.clients.connection(client.id)];
        ways[i % ways.length]?.send.said(`${nodeId}${i}`);
      }
    }
    await until(() => client.said.length === 300);
    for (const nodeId of ['a', 'b', 'c']) {
      expect(client.said.filter((text) => text.startsWith(nodeId))).toEqual(Array.from({ length: 100 }, (_, i) => `${nodeId}${i}`));
    }
  });

  it('a send reaches local members without waiting for the backplane', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const near = await world.client(a);
    const far = await world.client(b);
    world.faults.freeze('a'); // holds what `a` publishes
    a.hub.clients.all.send.said('hi');
    await until(() => near.said.length === 1);
    expect(far.said).toEqual([]);
    world.faults.thaw('a');
    await until(() => far.said.length === 1);
  });

  it('a send goes only to nodes that may have a member of its target', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const [near, far, away] = await Promise.all([
      world.client(a, { user: 'u' }),
      world.client(b, { user: 'u', role: 'x' }),
      world.client(c),
    ]);
    await far.call('join', 'g');
    const { clients } = a.hub;
    const sends = [
      () => clients.group('g'),
      () => clients.user('u'),
      () => clients.where({ role: 'x' }),
      () => clients.connection(far.id),
      () => clients.allOf(clients.all, clients.group('g')),
      () => clients.allOf(clients.where({ role: 'x' }), clients.connection(far.id)),
      () => clients.anyOf(clients.group('g'), clients.connection(near.id)),
    ];
    for (const target of sends) target().send.said('hi');
    await until(() => far.said.length === sends.length);
    expect(world.tap.deliveries.map(({ nodeId }) => nodeId)).toEqual(sends.map(() => 'b'));
    clients.connection(near.id).send.said('only here');
    await until(() => near.said.includes('only here'));
    expect(world.tap.published).toHaveLength(sends.length);

    // The group has no member left, so after lingerMs no node receives its messages.
    await far.call('leave', 'g');
    await until(() => !world.tap.channels('b').includes(groupTopic('room', 'g')));
    clients.group('g').send.said('nobody');
    clients.all.send.said('end');
    await until(() => [near, far, away].every(({ said }) => said.includes('end')));
    expect(
      world.tap.deliveries
        .slice(sends.length)
        .map(({ nodeId }) => nodeId)
        .sort(),
    ).toEqual(['b', 'c']);
  });

  it('a send to more than 64 topics is published once, on the channel of all connections', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b);
    await far.call('join', 'g1');
    await far.call('join', 'g2');
    const groups = (count: number) => ({ anyOf: Array.from({ length: count }, (_, i) => ({ group: `g${i}` })) });
    a.hub.clients.matching(groups(64)).send.said('64');
    a.hub.clients.matching(groups(65)).send.said('65');
    await until(() => far.said.includes('65'));
    expect(far.said).toEqual(['64', '65']);
    expect(world.tap.published).toHaveLength(65);
    expect(world.tap.deliveries.map(({ channel }) => channel)).toEqual(['room:group:g1', 'room:group:g2', 'room:all', 'room:all']);
  });
});

describe('the promise of a send', () => {
  it('the promise of a send resolves when the message is published', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b);
    const sent = a.hub.clients.all.send.said('hi');
    expect(await sent).toBeUndefined();
    expect(await sent.confirmed).toBeUndefined();
    await until(() => far.said.length === 1);
    expect(await a.hub.clients.connection('nobody').send.said('hi')).toBeUndefined();
  });

  it('the promise of a send reports a loss to other nodes once, with the number of local connections that were reached', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const near = await Promise.all([world.client(a), world.client(a)]);
    const far = await world.client(b);
    world.faults.cut('a');
    const sent = a.hub.clients.all.send.said('hi');
    expect(await sent).toBeUndefined();
    const lost = error('backplane_unavailable', { local: 2 });
    await expect(sent.confirmed).rejects.toEqual(lost);
    await until(() => near.every(({ said }) => said.length === 1));
    await expect(a.hub.clients.connection(far.id).send.said('hi').confirmed).rejects.toEqual(error('backplane_unavailable', { local: 0 }));
    await expect(a.hub.clients.connection(near[0].id).send.said('hi').confirmed).resolves.toBeUndefined();
    expect(a.losses).toEqual([
      { hub: 'room', method: 'said', error: lost },
      { hub: 'room', method: 'said', error: error('backplane_unavailable', { local: 0 }) },
    ]);
    expect(far.said).toEqual([]);
  });

  it('a send over two topics delivers one copy, also if one channel is thousands of messages late', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b);
    for (const group of ['fast', 'slow']) await far.call('join', group);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.tap.hold = (channel) => (channel === 'room:group:slow' ? held : undefined);
    const target = a.hub.clients.anyOf(a.hub.clients.group('fast'), a.hub.clients.group('slow'));
    const count = 6000;
    for (let i = 0; i < count; i++) target.send.said(i);
    await until(() => far.said.length === count);
    release();
    await until(() => world.tap.deliveries.filter(({ nodeId }) => nodeId === 'b').length === 2 * count);
    await a.hub.clients.connection(far.id).send.said('end');
    await until(() => far.said.at(-1) === 'end');
    expect(far.said).toHaveLength(count + 1);
  });

  it('the promise of a send never ends the process when nothing handles its rejection', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const near = await world.client(a);
      await world.client(b);
      world.faults.cut('a');
      a.hub.clients.all.send.said('lost');
      a.hub.clients.all.send.said(1n);
      void a.hub.clients.all.send.said('lost').confirmed;
      void a.hub.clients.all.send.said(1n).confirmed;
      await until(() => a.losses.length === 4);
      await until(() => near.said.length === 2);
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  it('the promise of a send rejects values that cannot be encoded, for local and remote members', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b);
    const values = [1n, new Uint8Array(1), { deep: [new Uint8Array(1)] }];
    for (const value of values) {
      await expect(Promise.resolve(a.hub.clients.all.send.said(value))).rejects.toMatchObject({ code: 'not_encodable' });
      await expect(b.hub.clients.all.send.said(value).confirmed).rejects.toMatchObject({ code: 'not_encodable' });
    }
    expect(a.losses.map(({ error }) => error.code)).toEqual(values.map(() => 'not_encodable'));
    expect(b.losses).toHaveLength(values.length);
    expect(a.errors).toEqual([]);
    await a.hub.clients.all.send.said('end');
    await until(() => far.said.length > 0);
    expect(far.said).toEqual(['end']);
  });
});
