import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { Client } from './kit/client.ts';
import { Follower } from './kit/follower.ts';
import { PATIENT, World } from './kit/world.ts';

const backplane = { heartbeatIntervalMs: 10_000, nodeTimeoutMs: 30_000, redisTimeoutMs: 5000 };

describe('a node that another one has not heard of yet', () => {
  it('is asked all the same, and so are its clients', async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: 2, links: true, backplane, onTestFailed });
    await world.node(2).stop();
    world.links[0]!.delay(800); // so late comes what node-2 says of itself
    await world.node(2).start();
    const [joins, asked, ended] = await Promise.all([1, 2, 3].map((i) => world.connect(2, { user: `u${i}` })));
    expect((await world.happened(1)).filter(({ event }) => event === 'nodeJoined').length).toBeLessThanOrEqual(1);
    const [, outcomes, result, disconnected] = await Promise.all([
      world.node(1).ask('groups.add', [joins!.id, 'g']),
      world.node(1).ask<{ items: { code?: string; value?: unknown }[] }>('invokeAll', [{ user: 'u2' }, 'Result', []]),
      world.node(1).ask('invoke', [{ connection: asked!.id }, 'Result', []]),
      world.node(1).ask('disconnect', [{ user: 'u3' }]),
    ]);
    expect(outcomes.items.map(({ code, value }) => code ?? value)).toEqual([1]);
    expect(result).toBe(1);
    expect(disconnected).toEqual({ value: 1, complete: true, missingNodes: [] });
    await ended!.closed;
  }, 60_000);
});

describe('a watch', () => {
  it('misses nothing of what happens on a node whose link is just coming back', async ({ onTestFailed }) => {
    await using world = await World.start({
      nodes: 2,
      links: true,
      backplane: { ...backplane, heartbeatIntervalMs: 200 },
      onTestFailed,
    });
    const stays = await world.connect(2);
    await using watch = Follower.connections(world, 1, { all: true });
    await until(() => watch.present.length === 1, PATIENT);
    world.links[1]!.cut();
    const isUp = async (): Promise<boolean> => (await world.node(2).ask<{ backplane: string }>('health')).backplane === 'up';
    await until(async () => !(await isUp()), PATIENT);
    await world.links[1]!.heal();
    world.links[1]!.delay(150); // it takes seconds until it is back
    const came: Client[] = [];
    while (!(await isUp())) came.push(await world.connect(2));
    world.links[1]!.delay(0);
    expect(came.length).toBeGreaterThan(3);
    await world.counted(came.length + 1);
    await expect.poll(() => watch.present, { timeout: 20_000 }).toEqual([stays, ...came].map(({ id }) => id).sort());
    expect(watch.wrong).toEqual([]);
  }, 60_000);
});

describe('a node that is declared dead by mistake', () => {
  it('comes back also when it loses its subscriptions at that moment, and has joins waiting', async ({ onTestFailed }) => {
    await using world = await World.start({
      nodes: 2,
      links: true,
      backplane: { heartbeatIntervalMs: 200, nodeTimeoutMs: 1000, redisTimeoutMs: 5000 },
      onTestFailed,
    });
    const [, link] = world.links;
    for (let round = 1; round <= 2; round++) {
      const before = await world.connect(2);
      link!.delay(100);
      world.node(2).freeze();
      await world.counted(0, [1]);
      await world.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      world.node(2).thaw();
      const joining: Promise<Client>[] = [];
      await until(() => joining.push(world.connect(2)) > 100, PATIENT);
      const came = await Promise.all(joining);
      link!.delay(0);
      await world.counted(1 + came.length);
      await Promise.all([before, ...came].map((client) => client.leave()));
      await world.counted(0);
    }
  }, 60_000);
});
