import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { threeNodes } from './three-nodes.ts';

describe('nodes of a cluster', () => {
  it('nodes of a cluster know each other and report nodes that join and are lost', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const received: string[] = [];
    a.server.on('nodeJoined', ({ nodeId }) => received.push(`joined ${nodeId}`));
    a.server.on('nodeLost', ({ nodeId }, reason) => received.push(`lost ${nodeId} ${reason}`));
    const sender = await world.start('sender', { accept: false });
    const names = async () => (await a.server.nodes()).items.map(({ nodeId, accepts }) => `${nodeId} ${accepts}`).sort();
    expect(await names()).toEqual(['a true', 'b true', 'c true', 'sender false']);
    await sender.server.close();
    world.faults.expire('b');
    await until(() => received.length === 3);
    expect(await names()).toEqual(['a true', 'c true']);
    world.faults.thaw('b');
    await until(() => received.length === 4);
    expect(received).toEqual(['joined sender', 'lost sender goodbye', 'lost b lease', 'joined b']);
    expect((await c.server.nodes()).items.map(({ nodeId }) => nodeId).sort()).toEqual(['a', 'b', 'c']);
    expect((await b.server.nodes()).items.map(({ process }) => process)).toHaveLength(3);
  });

  it('nodes of a cluster are announced once, when nodes() shows them, and a loss is reported before a return', async () => {
    await using nodes = await threeNodes();
    const { world, a } = nodes;
    const received: string[] = [];
    const shown: Promise<boolean>[] = [];
    const isShown = async (process: string): Promise<boolean> => (await a.server.nodes()).items.some((node) => node.process === process);
    a.server.on('nodeJoined', ({ nodeId, process }) => {
      received.push(`joined ${nodeId}`);
      shown.push(isShown(process));
    });
    a.server.on('nodeLost', ({ nodeId, process }) => {
      received.push(`lost ${nodeId}`);
      shown.push(isShown(process).then((is) => !is));
    });
    let ups = 0;
    a.server.on('backplaneUp', () => ups++);
    // Outages of its own link and of other links, in which no node is lost.
    for (const name of ['a', 'b', 'c']) {
      world.faults.cut(name);
      await a.hub.presence.count();
      world.faults.heal(name);
      await a.hub.presence.count();
    }
    await until(() => ups === 1);
    expect(received).toEqual([]);
    // An outage in which one node is lost and one joins.
    world.faults.cut('a');
    world.faults.expire('b');
    await world.start('d');
    world.faults.heal('a');
    await until(() => received.length === 2);
    world.faults.thaw('b');
    await until(() => received.length === 3);
    expect(received).toEqual(['lost b', 'joined d', 'joined b']);
    expect(await Promise.all(shown)).toEqual([true, true, true]);
  });

  it('nodes of a cluster report their health and the state of their backplane', async () => {
    await using nodes = await threeNodes();
    const { world, a } = nodes;
    const events: string[] = [];
    a.server.on('backplaneDown', () => events.push('down'));
    a.server.on('backplaneUp', () => events.push('up'));
    a.server.on('gap', ({ lost }) => events.push(`gap ${lost}`));
    await Promise.all([world.client(a), world.client(a)]);
    const uptimeMs = expect.any(Number) as number;
    expect(a.server.health()).toEqual({
      status: 'ok',
      nodeId: 'a',
      connections: 2,
      backplane: 'up',
      backplanes: [{ hubs: ['room'], state: 'up' }],
      uptimeMs,
    });
    world.faults.cut('a');
    expect(a.server.health()).toMatchObject({ status: 'degraded', connections: 2, backplane: 'down' });
    nodes.b.hub.clients.all.send.said('missed');
    world.faults.heal('a');
    expect(a.server.health()).toMatchObject({ status: 'ok', backplane: 'up' });
    await until(() => events.length === 3);
    expect(events).toEqual(['down', 'up', 'gap 1']);
    await a.server.close();
    expect(a.server.health().status).toBe('closed');
    await until(() => a.server.health().connections === 0); // closing sockets still count
  });

  it('nodes of a cluster with the same nodeId do not damage each other', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const twin = await world.start('b');
    const [first, second] = [await world.client(b, { user: 'first' }), await world.client(twin, { user: 'second', answer: () => 'yes' })];
    await Promise.all([first, second].map((client) => client.call('join', 'g')));
    expect((await a.server.nodes()).items.map(({ nodeId }) => nodeId).sort()).toEqual(['a', 'b', 'b', 'c']);
    expect(await a.hub.presence.count({ group: 'g' })).toEqual({ value: 2, complete: true, missingNodes: [] });
    a.hub.clients.group('g').send.said('both');
    await until(() => first.said.length + second.said.length === 2);
    await b.server.close();
    await first.ended;
    expect((await a.hub.presence.connections()).items).toMatchObject([{ connectionId: second.id, nodeId: 'b', groups: ['g'] }]);
    c.hub.clients.group('g').send.said('one');
    await until(() => second.said.length === 2);
    expect(await c.hub.clients.connection(second.id).invoke.confirm('?')).toBe('yes');
    await a.hub.groups.add(second.id, 'h');
    expect(await c.hub.presence.groupsOf(second.id)).toEqual(['g', 'h']);
  });

  it('nodes of a cluster that are closed disappear at once with their clients', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const client = await world.client(b, { user: 'u' });
    await b.server.close();
    await client.ended;
    expect(client.goodbye).toMatchObject({ allowReconnect: true });
    for (const { hub, server } of [a, c]) {
      expect(await hub.presence.isOnline('u')).toBe(false);
      expect(await hub.presence.count()).toEqual({ value: 0, complete: true, missingNodes: [] });
      expect((await server.nodes()).items.map(({ nodeId }) => nodeId).sort()).toEqual(['a', 'c']);
    }
  });

  it('nodes of a cluster that were declared dead by mistake recover completely', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const client = await world.client(b, { user: 'u', role: 'x', answer: () => 'yes' });
    await client.call('join', 'g');
    world.faults.expire('b');
    expect(await a.hub.presence.isOnline('u')).toBe(false);
    world.faults.thaw('b');
    expect(await a.hub.presence.connections({ allOf: [{ group: 'g' }, { where: { role: 'x' } }] })).toMatchObject({
      items: [{ connectionId: client.id, nodeId: 'b' }],
      complete: true,
    });
    await until(async () => (await c.hub.clients.user('u').invokeAll.confirm('?')).items.length === 1);
    await client.call('leave', 'g');
    expect(await a.hub.presence.count({ group: 'g' })).toEqual({ value: 0, complete: true, missingNodes: [] });
    await client.call('tell', { all: true }, 'hi');
    await until(() => client.said.length === 1);
    expect(await b.hub.presence.count()).toEqual({ value: 1, complete: true, missingNodes: [] });
  });
});
