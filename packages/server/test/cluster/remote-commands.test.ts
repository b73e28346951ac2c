import { until } from '@hubline/testing';
import { createHubConnection } from '@hubline/client';
import { isHublineError } from '@hubline/server';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { decodeEnvelope, encodeEnvelope, EnvelopeKind } from '../../src/backplane/envelope.ts';
import { openRequests, NONE_OPEN } from './open-requests.ts';
import { room, threeNodes } from './three-nodes.ts';

const error = (code: string, details?: object) => expect.objectContaining({ code, ...(details && { details }) }) as Error;

describe('commands to a connection of another node', () => {
  it('commands to a connection of another node are rejected if the connection does not exist or its node does not answer', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b, c } = nodes;
    const far = await world.client(b, { role: 'connection' });
    const commands = [
      (id: string) => a.hub.groups.add(id, 'g'),
      (id: string) => a.hub.groups.remove(id, 'g'),
      (id: string) => a.hub.attributes.set(id, 'role', 'admin'),
    ];
    for (const command of commands) {
      for (const connectionId of ['nobody', `${far.id.slice(0, 11)}nobody`]) {
        await expect(command(connectionId)).rejects.toEqual(error('connection_gone', { connectionId }));
      }
    }
    world.faults.freeze('b');
    const silent = Promise.all(commands.map((command) => expect(command(far.id)).rejects.toEqual(error('node_silent', { nodeId: 'b' }))));
    clock.advance(10_000);
    await silent;
    const lost = expect(a.hub.groups.add(far.id, 'g')).rejects.toEqual(error('node_lost', { nodeId: 'b' }));
    world.faults.expire('b');
    await lost;
    world.faults.thaw('b'); // it carries out the commands late
    await until(async () => (await c.hub.presence.count({ where: { role: 'admin' } })).value === 1);
    world.faults.cut('a');
    for (const command of commands) await expect(command(far.id)).rejects.toEqual(error('backplane_unavailable'));
    await until(() => openRequests().nodeRequests === 0);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('commands to a connection of another node set only declared attributes, to valid values', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b, { role: 'connection' });
    const set = a.hub.attributes.set as (id: string, key: string, value: unknown) => Promise<void>;
    for (const key of ['rloe', 'toString', '__proto__', 'constructor']) {
      await expect(set(far.id, key, 'x')).rejects.toEqual(error('invalid_option', { option: key }));
    }
    for (const value of [undefined, null, {}, [], NaN, Infinity, 1n, () => 1]) {
      await expect(set(far.id, 'role', value)).rejects.toEqual(error('invalid_option', { option: 'role' }));
    }
    expect((await a.hub.presence.connections()).items.map(({ attributes }) => attributes)).toEqual([{ role: 'connection' }]);
  });
});

describe('disconnect', () => {
  it('disconnect ends the connections that its target names, sends each client the reason, and counts them', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const everybody = await Promise.all(
      [a, a, b, c, c].map((node, i) => world.client(node, { user: `u${i % 2}`, role: `r${i}`, extensions: { hubline: 1 } })),
    );
    const [first, second, third, fourth, fifth] = everybody;
    expect(await a.hub.disconnect({ connection: fifth!.id })).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(await a.hub.disconnect({ connection: 'nobody' })).toEqual({ value: 0, complete: true, missingNodes: [] });
    expect(await c.hub.disconnect({ user: 'u1', except: [second!.id] }, 'You know why.')).toEqual({
      value: 1,
      complete: true,
      missingNodes: [],
    });
    await Promise.all([fourth!.ended, fifth!.ended]);
    expect(fourth!.goodbye).toMatchObject({
      allowReconnect: false,
      code: 'disconnected',
      error: expect.stringContaining('You know why.') as string,
    });
    expect(await b.hub.disconnect({ where: { role: 'r0' } })).toEqual({ value: 1, complete: true, missingNodes: [] });
    await first!.ended;
    expect(await b.hub.disconnect({ all: true })).toEqual({ value: 2, complete: true, missingNodes: [] });
    await Promise.all([second!.ended, third!.ended]);
    await until(async () => (await a.hub.presence.count()).value === 0);
    await expect(a.hub.disconnect({ where: {} })).rejects.toThrow(error('empty_target'));
    await expect(a.hub.disconnect({ where: { note: 'n' } })).rejects.toThrow(error('attribute_not_indexed', { attribute: 'note' }));
  });

  it('disconnect names the nodes that did not acknowledge it, and does not name nodes that were closed', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { commandMs: 60 } });
    const { world, a, b, c } = nodes;
    const leaver = await world.start('leaver');
    const near = await world.client(a);
    const [onFrozen, onLost] = await Promise.all([world.client(b), world.client(c)]);
    world.faults.freeze('b');
    world.faults.freeze('c');
    const { process } = (await a.server.nodes()).items.find(({ nodeId }) => nodeId === 'leaver')!;
    world.tap.hold = (channel) => (channel === `node=${process}` ? new Promise(() => undefined) : undefined);
    const outcome = a.hub.disconnect({ all: true });
    world.faults.expire('c');
    await leaver.server.close();
    await until(() => openRequests().nodeRequests === 1);
    clock.advance(60);
    expect(await outcome).toEqual({ value: 1, complete: false, missingNodes: ['b', 'c'] });
    const one = a.hub.disconnect({ connection: onFrozen.id });
    clock.advance(60);
    expect(await one).toEqual({ value: 0, complete: false, missingNodes: ['b'] });
    await near.ended;
    world.faults.thaw('b');
    world.faults.thaw('c');
    await Promise.all([onFrozen.ended, onLost.ended]); // the waiting commands arrive
    world.faults.cut('a');
    expect(await a.hub.disconnect({ all: true })).toEqual({ value: 0, complete: false, missingNodes: ['b', 'c'] });
  });

  it('disconnect names nodes with an ended lease for a minute, and reaches them when they go on', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { commandMs: 60 } });
    const { world, a, b, c } = nodes;
    const [onB, first, second, stays] = await Promise.all([b, c, c, c].map((node) => world.client(node)));
    const lost: string[] = [];
    a.server.on('nodeLost', ({ nodeId }) => lost.push(nodeId));
    world.faults.expire('c');
    await until(() => lost.length === 1);
    expect(await a.hub.disconnect({ connection: first!.id })).toEqual({ value: 0, complete: false, missingNodes: ['c'] });
    expect(await a.hub.disconnect({ all: true, except: [first!.id, onB!.id, stays!.id] })).toEqual({
      value: 0,
      complete: false,
      missingNodes: ['c'],
    });
    clock.advance(59_999);
    expect(await a.hub.disconnect({ connection: 'nobody' })).toEqual({ value: 0, complete: true, missingNodes: [] });
    expect(await a.hub.disconnect({ group: 'nobody' })).toEqual({ value: 0, complete: false, missingNodes: ['c'] });
    clock.advance(1);
    expect(await a.hub.disconnect({ connection: stays!.id })).toEqual({ value: 0, complete: true, missingNodes: [] });
    world.faults.thaw('c');
    await Promise.all([first!.ended, second!.ended]);
    await until(async () => (await a.hub.presence.count()).value === 2);

    // The lost node returns while the command still waits for another node.
    world.faults.expire('c');
    world.faults.freeze('b');
    await until(() => lost.length === 2);
    const outcome = a.hub.disconnect({ all: true });
    await until(() => openRequests().nodeRequests > 0);
    world.faults.thaw('c');
    await stays!.ended;
    await until(() => openRequests().nodeRequests === 1);
    clock.advance(60);
    expect(await outcome).toEqual({ value: 1, complete: false, missingNodes: ['b'] });
    await until(() => openRequests().nodeRequests === 0);
  });

  it('disconnect does not name a lost process whose nodeId runs again as another process', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, c } = nodes;
    await world.client(c);
    const lost: string[] = [];
    a.server.on('nodeLost', ({ nodeId }) => lost.push(nodeId));
    clock.advance(1);
    const again = await world.start('c', { clock });
    const client = await world.client(again);
    world.faults.expire((await a.server.nodes()).items.find(({ nodeId }) => nodeId === 'c')!.process);
    await until(() => lost.length === 1);
    expect(await a.hub.disconnect({ all: true })).toEqual({ value: 1, complete: true, missingNodes: [] });
    await client.ended;
  });

  it.each(['its own node', 'another node'])("disconnect sends a client the program's own code, from %s", async (from) => {
    await using nodes = await threeNodes();
    const { a, b } = nodes;
    const { hub } = from === 'its own node' ? b : a;
    await using connection = createHubConnection(room, `${b.url}?user=u`);
    await connection.start();
    expect((await hub.disconnect({ user: 'u' }, { code: 'banned', message: 'Not here.' })).value).toBe(1);
    await until(() => connection.state.name === 'closed');
    const { cause } = connection.state as { readonly cause?: unknown };
    expect(cause).toMatchObject({ code: 'disconnected', message: expect.stringContaining('Not here.') as string });
    expect(isHublineError(cause) && cause.code === 'disconnected' && cause.details.reason).toBe('banned');
  });

  it('disconnect lets a client reconnect with allowReconnect', async () => {
    await using nodes = await threeNodes();
    const { a, b } = nodes;
    const causes: unknown[] = [];
    await using connection = createHubConnection(room, `${b.url}?user=u`, { reconnect: { firstMs: 1 } });
    connection.on('reconnecting', (cause) => causes.push(cause));
    await connection.start();
    expect((await a.hub.disconnect({ user: 'u' }, { code: 'expired', allowReconnect: true })).value).toBe(1);
    await until(() => causes.length === 1 && connection.state.name === 'connected');
    expect(causes).toEqual([error('disconnected', { reason: 'expired' })]);
  });

  it('disconnect sends clients that do not announce Hubline the close message of ASP.NET Core', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const goodbyes = [true, false].map(async (allowReconnect) => {
      const client = await world.client(b, { user: String(allowReconnect) });
      await a.hub.disconnect({ user: String(allowReconnect) }, { code: 'replaced', message: 'Elsewhere.', allowReconnect });
      await client.ended;
      return client.goodbye;
    });
    const closeMessage = { type: 7, error: 'Connection closed with an error. HublineError: Elsewhere.' };
    expect(await Promise.all(goodbyes)).toEqual([{ ...closeMessage, allowReconnect: true }, closeMessage]);
  });

  it.each([
    ['code', { code: '' }],
    ['code', { code: 'x'.repeat(256) }],
    ['code', { code: ['banned'] }],
    ['message', { message: 5 }],
    ['allowReconnect', { allowReconnect: 'yes' }],
    ['options', null],
    ['options', 5],
  ])('disconnect rejects an invalid %s: %o', async (option, given) => {
    await using nodes = await threeNodes();
    const { world, a } = nodes;
    await world.client(a);
    await expect(a.hub.disconnect({ all: true }, given as object)).rejects.toEqual(error('invalid_option', { option }));
    expect((await a.hub.presence.count()).value).toBe(1);
  });

  it.each([{ code: '' }, { code: 5 }, { code: 'x'.repeat(256) }, { allowReconnect: 'yes' }])(
    'disconnect is not carried out by a node that receives the invalid option %o',
    async (more) => {
      await using nodes = await threeNodes();
      const { world, a, b } = nodes;
      await world.client(b);
      world.tap.alter = (nodeId, payload) => {
        const { kind, header, body } = decodeEnvelope(payload);
        if (nodeId !== 'a' || kind !== EnvelopeKind.request) return payload;
        const { params } = header as { readonly params: object };
        return encodeEnvelope({ kind, header: { ...header, params: { ...params, ...more } }, body });
      };
      expect(await a.hub.disconnect({ all: true })).toMatchObject({ value: 0, complete: false });
      expect((await a.hub.presence.count()).value).toBe(1);
    },
  );

  it('disconnect is final by default: the client does not reconnect', async () => {
    await using nodes = await threeNodes();
    const { a, b } = nodes;
    const states: string[] = [];
    await using connection = createHubConnection(room, `${b.url}?user=u`, { reconnect: { firstMs: 1 } });
    connection.on('state', ({ name }) => states.push(name));
    await connection.start();
    expect((await a.hub.disconnect({ user: 'u' })).value).toBe(1);
    await until(() => connection.state.name === 'closed');
    expect(states).not.toContain('reconnecting');
    await until(async () => !(await a.hub.presence.isOnline('u')));
  });
});
