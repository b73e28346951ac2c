import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { Client } from './kit/client.ts';
import { expectTruth, livingOf } from './kit/truth.ts';
import { PATIENT, World } from './kit/world.ts';

const LEASE_MS = 2000;
const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: LEASE_MS, sweepDelayMs: 1500 };
const room = { group: 'a room: {1}' };

/** Two clients a node, `u1` … `u3` and `everywhere`, all in one room. */
async function inhabit(world: World): Promise<Client[]> {
  const clients: Client[] = [];
  for (const [i] of world.nodes.entries()) {
    clients.push(await world.connect(i + 1, { user: `u${i + 1}`, attributes: { role: i === 1 ? 'odd' : 'even' } }));
    clients.push(await world.connect(i + 1, { user: 'everywhere' }));
  }
  for (const client of clients) await world.join(client, room.group, 3);
  return clients;
}

const on = (clients: readonly Client[], number: number): Client[] => clients.slice(2 * number - 2, 2 * number);
const toldTo = (clients: readonly Client[]): string[][] => clients.map(({ told }) => told);

async function leaseOf(world: World, { process }: Client): Promise<string> {
  const [lease] = await world.redis.keys(`${world.prefix}:{nodes}:lease:${process}.*`);
  if (lease === undefined) throw new Error(`${process} has no lease.`);
  return lease;
}

describe('a node that is killed', () => {
  it('is counted until its lease ends, and not any longer; the second sweep leaves nothing of it', async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: 3, backplane, onTestFailed });
    const clients = await inhabit(world);
    await expectTruth(world, livingOf(clients));
    const lease = await leaseOf(world, clients[2]!);
    await world.node(2).kill();
    const seen = async (number: number) => ({
      all: (await world.count(number)).value,
      room: (await world.count(number, room)).value,
      odd: (await world.count(number, { where: { role: 'odd' } })).value,
      online: await Promise.all(['u1', 'u2', 'u3', 'everywhere'].map((user) => world.isOnline(number, user))),
    });
    const before = await seen(1);
    if (await world.redis.call('EXISTS', lease)) expect(before).toEqual({ all: 6, room: 6, odd: 1, online: [true, true, true, true] });
    await until(async () => !(await world.redis.call('EXISTS', lease)), PATIENT);
    const after = { all: 4, room: 4, odd: 0, online: [true, false, true, true] };
    expect(await Promise.all([seen(1), seen(3)])).toEqual([after, after]);

    await until(async () =>
      (await world.happened(1)).some(({ event, nodeId, reason }) => event === 'nodeLost' && nodeId === 'node-2' && reason === 'lease'),
    );
    const living = clients.filter((client) => !on(clients, 2).includes(client));
    await world.send(3, room, 'to those who are left');
    await until(() => living.every(({ told }) => told.length === 1), PATIENT);
    await expectTruth(world, livingOf(living));

    // Its successor has its name, and nothing else of it.
    await world.node(2).restart();
    const heir = await world.connect(2, { user: 'u2' });
    await world.counted(5);
    await expectTruth(world, livingOf([...living, heir]));
  }, 60_000);

  it('is swept by somebody, also when he who had begun is killed', async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: 3, backplane, onTestFailed });
    const clients = await inhabit(world);
    await Promise.all([world.node(2).kill(), world.node(3).kill()]);
    await world.counted(2, [1]);
    // What a sweeper leaves behind that is killed in the middle of it: its claim.
    for (const number of [2, 3]) {
      const [, incarnation] = /\{(.*)\}/.exec(
        (await world.redis.keys(`${world.prefix}:{${on(clients, number)[0]!.process}*:records`))[0]!,
      )!;
      await world.redis.call('SET', `${world.prefix}:{${incarnation}}:sweep:2`, '1', 'PX', 2 * LEASE_MS);
    }
    await expectTruth(world, livingOf(on(clients, 1)));
  }, 60_000);
});

describe('a node that is frozen', () => {
  it('for less than its lease: nothing is noticed, nothing is lost or doubled', async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: 3, backplane: { ...backplane, nodeTimeoutMs: 10_000 }, onTestFailed });
    const clients = await inhabit(world);
    const texts = Array.from({ length: 50 }, (_, i) => `m${i}`);
    for (const [i, text] of texts.entries()) {
      if (i === 10) world.node(2).freeze();
      await world.send(1, room, text);
    }
    expect((await world.count(3)).value).toBe(6);
    await until(() => on(clients, 1).every(({ told }) => told.length === 50), PATIENT);
    expect(on(clients, 2).every(({ told }) => told.length <= 10)).toBe(true);
    world.node(2).thaw();
    await until(() => clients.every(({ told }) => told.length === 50), PATIENT);
    expect(toldTo(clients)).toEqual(clients.map(() => texts));
    for (const number of [1, 2, 3]) {
      expect((await world.happened(number)).filter(({ event }) => event !== 'nodeJoined')).toEqual([]);
    }
    await expectTruth(world, livingOf(clients));
  }, 60_000);

  it('for longer: its users are gone when the lease ends, and back with everything when it goes on, which it reports as a gap', async ({
    onTestFailed,
  }) => {
    await using world = await World.start({ nodes: 3, backplane, onTestFailed });
    const clients = await inhabit(world);
    const lease = await leaseOf(world, clients[2]!);
    world.node(2).freeze();
    await until(async () => !(await world.redis.call('EXISTS', lease)), PATIENT);
    expect(await Promise.all([world.count(1), world.count(3, room)])).toEqual([
      { value: 4, complete: true, missingNodes: [] },
      { value: 4, complete: true, missingNodes: [] },
    ]);
    expect(await world.isOnline(1, 'u2')).toBe(false);
    await world.send(1, room, 'during');
    // What is left of its old life is swept, while it is frozen: it must not find any of it again.
    await expectTruth(world, livingOf([...on(clients, 1), ...on(clients, 3)]));

    world.node(2).thaw();
    await world.counted(6);
    expect(await world.isOnline(3, 'u2')).toBe(true);
    await until(async () => (await world.happened(2)).some(({ event, gap }) => event === 'gap' && gap!.ms >= LEASE_MS - 500), PATIENT);
    for (const number of [1, 3]) {
      const told = (await world.happened(number)).filter(({ nodeId }) => nodeId === 'node-2').map(({ event }) => event);
      expect(told.slice(-2)).toEqual(['nodeLost', 'nodeJoined']);
      expect(told.filter((event) => event === 'nodeLost')).toHaveLength(1);
    }
    for (const number of [1, 2, 3]) await world.send(number, room, `after, by ${number}`);
    await until(() => clients.every(({ told }) => told.filter((text) => text.startsWith('after')).length >= 3), PATIENT);
    for (const client of clients) {
      expect(client.told.filter((text) => text !== 'during').sort()).toEqual(['after, by 1', 'after, by 2', 'after, by 3']);
      expect(client.told.filter((text) => text === 'during').length).toBe(on(clients, 2).includes(client) ? client.told.length - 3 : 1);
      expect(client.told.length).toBeLessThanOrEqual(4);
    }
    await world.part(clients[2]!, room.group, 1);
    await world.send(3, room, 'not to u2');
    await until(() => clients[5]!.told.includes('not to u2') && clients[3]!.told.includes('not to u2'), PATIENT);
    expect(clients[2]!.told).not.toContain('not to u2');
    await expectTruth(world, livingOf(clients));
    expect((await world.redis.keys(`${world.prefix}:{nodes}:lease:${clients[2]!.process}.2`)).length).toBe(1);
  }, 60_000);

  it('again and again: each time it is back with everything', async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: 3, backplane: { ...backplane, nodeTimeoutMs: 1200 }, onTestFailed });
    const clients = await inhabit(world);
    for (let round = 1; round <= 3; round++) {
      world.node(2).freeze();
      await world.counted(4, [1, 3]);
      world.node(2).thaw();
      await world.counted(6);
      await world.send(2, room, `round ${round}`);
      await until(() => clients.every(({ told }) => told.length === round), PATIENT);
      expect((await world.happened(2)).filter(({ gap }) => gap && gap.ms >= 1000)).toHaveLength(round);
    }
    await expectTruth(world, livingOf(clients));
  }, 60_000);
});

describe('two processes with one name', () => {
  it('never damage each other: neither when one ends in order, nor when it is killed, nor when a successor comes early', async ({
    onTestFailed,
  }) => {
    await using world = await World.start({ nodes: 4, backplane, nodeId: (index) => (index < 3 ? 'twin' : 'other'), onTestFailed });
    const clients = await inhabit(world);
    await world.counted(8);
    expect((await world.node(4).ask<{ items: { nodeId: string }[] }>('nodes')).items.map(({ nodeId }) => nodeId).sort()).toEqual([
      'other',
      'twin',
      'twin',
      'twin',
    ]);

    await world.node(1).stop();
    await world.counted(6, [2, 3, 4]);
    await world.node(2).kill();
    await world.node(2).start(); // while the lease of its predecessor lives
    const heir = await world.connect(2, { user: 'u2' });
    await world.counted(5, [2, 3, 4]);
    const left = [...on(clients, 3), ...on(clients, 4), heir];
    await world.join(heir, room.group, 4);
    await world.send(2, room, 'to all of them');
    await until(() => left.every(({ told }) => told.length === 1), PATIENT);
    await expectTruth(world, livingOf(left));

    world.node(3).freeze();
    await world.counted(3, [2, 4]);
    expect(await world.isOnline(4, 'u2')).toBe(true);
    expect(await world.isOnline(4, 'u3')).toBe(false);
    world.node(3).thaw();
    await world.counted(5, [2, 3, 4]);
    await expectTruth(world, livingOf(left));
    const { items: asked } = await world.node(4).ask<{ items: { nodeId: string; value: unknown }[] }>('invokeAll', [room, 'Result', []]);
    expect(asked.map(({ nodeId, value }) => `${nodeId} ${String(value)}`).sort()).toEqual([
      'other 1',
      'other 1',
      'twin 1',
      'twin 1',
      'twin 1',
    ]);
  }, 60_000);
});
