import { faults } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { Follower } from './kit/follower.ts';
import { PATIENT, World } from './kit/world.ts';

it('a watch does not keep a connection that leaves after a FLUSHALL, while the store does not know the watch again', async ({
  onTestFailed,
}) => {
  // No heartbeat repairs anything.
  const backplane = { heartbeatIntervalMs: 60_000, nodeTimeoutMs: 180_000 };
  await using world = await World.start({ nodes: 2, links: true, backplane, onTestFailed });
  const [stays, leaves] = [await world.connect(1), await world.connect(1)];
  await using watch = Follower.connections(world, 2, { all: true });
  await expect.poll(() => watch.present, { timeout: PATIENT.timeoutMs }).toEqual([stays.id, leaves.id].sort());
  const slow = faults.delay(world.links[1]!, 500); // the watching node registers later than the other one
  await slow.inflict();
  await world.redis.flush();
  await world.join(stays, 'g'); // node-1 notices the loss, and registers again
  await leaves.leave();
  await world.counted(1, [1]);
  await slow.heal();
  await world.counted(1);
  await expect.poll(() => watch.present, { timeout: PATIENT.timeoutMs }).toEqual([stays.id]);
  expect(watch.wrong).toEqual([]);
}, 60_000);
