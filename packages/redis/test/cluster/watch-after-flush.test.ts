import { faults } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { WatchReader } from './fixtures/watch-reader.ts';
import { LONG_WAIT, RedisTestCluster } from './fixtures/redis-test-cluster.ts';

it('a watch reports a connection that leaves after a FLUSHALL before the watch is registered again', async ({ onTestFailed }) => {
  // Heartbeats are too rare to repair anything.
  const backplane = { heartbeatIntervalMs: 60_000, nodeTimeoutMs: 180_000 };
  await using cluster = await RedisTestCluster.start({ nodes: 2, links: true, backplane, onTestFailed });
  const [stays, leaves] = [await cluster.connect(1), await cluster.connect(1)];
  await using watch = WatchReader.connections(cluster, 2, { all: true });
  await expect.poll(() => watch.present, { timeout: LONG_WAIT.timeoutMs }).toEqual([stays.id, leaves.id].sort());
  const slow = faults.delay(cluster.links[1]!, 500); // the watching node registers later than the other one
  await slow.inflict();
  await cluster.redis.flush();
  await cluster.join(stays, 'g'); // node-1 notices the loss, and registers again
  await leaves.leave();
  await cluster.untilCounted(1, [1]);
  await slow.heal();
  await cluster.untilCounted(1);
  await expect.poll(() => watch.present, { timeout: LONG_WAIT.timeoutMs }).toEqual([stays.id]);
  expect(watch.wrong).toEqual([]);
}, 60_000);
