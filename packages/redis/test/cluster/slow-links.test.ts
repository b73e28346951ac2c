import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { RawClient } from './fixtures/raw-client.ts';
import { WatchReader } from './fixtures/watch-reader.ts';
import { LONG_WAIT, RedisTestCluster } from './fixtures/redis-test-cluster.ts';

const backplane = { heartbeatIntervalMs: 10_000, nodeTimeoutMs: 30_000, redisTimeoutMs: 5000 };

describe('a node that is not announced yet', () => {
  it('a node that is not announced yet receives commands and requests for its connections', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: 2, links: true, backplane, onTestFailed });
    await cluster.node(2).stop();
    cluster.links[0]!.delay(800); // node-1 receives the hello of node-2 late
    await cluster.node(2).start();
    const [joining, called, ended] = await Promise.all([1, 2, 3].map((i) => cluster.connect(2, { user: `u${i}` })));
    expect((await cluster.events(1)).filter(({ event }) => event === 'nodeJoined').length).toBeLessThanOrEqual(1);
    const [, outcomes, result, disconnected] = await Promise.all([
      cluster.node(1).ask('groups.add', [joining!.id, 'g']),
      cluster.node(1).ask<{ items: { code?: string; value?: unknown }[] }>('invokeAll', [{ user: 'u2' }, 'Result', []]),
      cluster.node(1).ask('invoke', [{ connection: called!.id }, 'Result', []]),
      cluster.node(1).ask('disconnect', [{ user: 'u3' }]),
    ]);
    expect(outcomes.items.map(({ code, value }) => code ?? value)).toEqual([1]);
    expect(result).toBe(1);
    expect(disconnected).toEqual({ value: 1, complete: true, missingNodes: [] });
    await ended!.closed;
  }, 60_000);
});

describe('a watch', () => {
  it('a watch reports every connection that starts on a node while the link of that node recovers', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({
      nodes: 2,
      links: true,
      backplane: { ...backplane, heartbeatIntervalMs: 200 },
      onTestFailed,
    });
    const stays = await cluster.connect(2);
    await using watch = WatchReader.connections(cluster, 1, { all: true });
    await until(() => watch.present.length === 1, LONG_WAIT);
    cluster.links[1]!.cut();
    const isUp = async (): Promise<boolean> => (await cluster.node(2).ask<{ backplane: string }>('health')).backplane === 'up';
    await until(async () => !(await isUp()), LONG_WAIT);
    await cluster.links[1]!.heal();
    cluster.links[1]!.delay(150); // the link needs seconds to recover
    const came: RawClient[] = [];
    while (!(await isUp())) came.push(await cluster.connect(2));
    cluster.links[1]!.delay(0);
    expect(came.length).toBeGreaterThan(3);
    await cluster.untilCounted(came.length + 1);
    await expect.poll(() => watch.present, { timeout: 20_000 }).toEqual([stays, ...came].map(({ id }) => id).sort());
    expect(watch.wrong).toEqual([]);
  }, 60_000);
});

describe('a node that was declared dead by mistake', () => {
  it('a node that was declared dead recovers although its subscriptions are lost while joins wait', async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({
      nodes: 2,
      links: true,
      backplane: { heartbeatIntervalMs: 200, nodeTimeoutMs: 1000, redisTimeoutMs: 5000 },
      onTestFailed,
    });
    const [, link] = cluster.links;
    for (let round = 1; round <= 2; round++) {
      const before = await cluster.connect(2);
      link!.delay(100);
      cluster.node(2).freeze();
      await cluster.untilCounted(0, [1]);
      await cluster.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      cluster.node(2).thaw();
      const joining: Promise<RawClient>[] = [];
      await until(() => joining.push(cluster.connect(2)) > 100, LONG_WAIT);
      const came = await Promise.all(joining);
      link!.delay(0);
      await cluster.untilCounted(1 + came.length);
      await Promise.all([before, ...came].map((client) => client.leave()));
      await cluster.untilCounted(0);
    }
  }, 60_000);
});
