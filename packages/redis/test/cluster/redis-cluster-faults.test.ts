import { until } from '@hubline/testing';
import { expect, it } from 'vitest';
import { ClusterTraffic } from './fixtures/cluster-traffic.ts';

it('no member and no message is lost or doubled when a slot moves under traffic', async () => {
  await using traffic = await ClusterTraffic.start();
  const { servers, topics, bob } = traffic;
  const slot = Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', `hubline:{${topics[0]}}`));
  const from = await servers.masterOf(slot);
  const to = (await servers.masters()).find((master) => master !== from)!;
  await servers.moveSlot(slot, to);
  await traffic.stop();
  await traffic.expectAllRegistered();
  await traffic.expectAllReceived();
  expect(bob.happened('gap')).toBe(false);
  await bob.publish(topics[0]!, 'still there');
}, 60_000);

it('operations on a slot that is being migrated do not wait for the end of the migration', async () => {
  await using traffic = await ClusterTraffic.start();
  const { servers, ann, bob } = traffic;
  const slot = Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', 'hubline:{new:group:x}:counts'));
  const from = await servers.masterOf(slot);
  const to = (await servers.masters()).find((master) => master !== from)!;
  const [fromId, toId] = await Promise.all([from, to].map(async (node) => String(await node.call('CLUSTER', 'MYID'))));
  await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId!);
  await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId!);
  for (const id of ['x1', 'x2', 'x3']) await bob.join(id, 'new:group:x');
  expect(await ann.membersOf('new:group:x')).toEqual(['x1', 'x2', 'x3']);
  const incarnations = async (): Promise<unknown> =>
    (await servers.masterOf('hubline:{nodes}')).call('HKEYS', 'hubline:{nodes}').then((names) => (names as string[]).toSorted());
  expect(await incarnations()).toEqual(['ann.1', 'bob.1']);
  await traffic.stop();
  await traffic.expectAllReceived();
}, 60_000);

it('no message is lost, doubled or reordered, and every member is registered, after an orderly failover', async () => {
  await using traffic = await ClusterTraffic.start();
  await until(() => traffic.topics.every((topic) => traffic.bob.received(topic).length > 0));
  await traffic.servers.failover(traffic.servers.nodes[0]!);
  await traffic.stop();
  await traffic.expectAllReceived();
  await traffic.expectAllRegistered();
}, 60_000);

it('messages that waited for the replica of a killed master arrive once and in order', async () => {
  await using traffic = await ClusterTraffic.start();
  await traffic.servers.nodes[0]!.stop();
  await until(() => traffic.ann.happened('down'), { timeoutMs: 10_000 });
  await until(() => traffic.ann.happened('up') && traffic.bob.happened('up'), { timeoutMs: 20_000 });
  await traffic.stop();
  await traffic.expectAllReceived();
  await traffic.expectAllRegistered();
}, 60_000);

it('acknowledged writes that were lost with a killed master are registered again', async () => {
  await using traffic = await ClusterTraffic.start();
  const { servers, bob, ann } = traffic;
  const master = servers.nodes[0]!;
  const [replica] = await servers.replicasOf(master);
  replica!.pause();
  await master.call('CLIENT', 'KILL', 'TYPE', 'replica');
  const topics = Array.from({ length: 30 }, (_, i) => `late:group:${i}`);
  await Promise.all(topics.map((topic) => bob.join('late', topic)));
  await master.stop();
  replica!.resume();
  await until(() => bob.happened('up'), { timeoutMs: 20_000 });
  for (const topic of topics) await until(async () => (await ann.membersOf(topic)).includes('late'), { timeoutMs: 10_000 });
  await traffic.stop();
}, 60_000);

it('nodes use classic channels on a Redis Cluster without sharded pub/sub', async () => {
  await using traffic = await ClusterTraffic.start({ replicas: 0, args: ['--rename-command', 'SPUBLISH', ''] });
  await traffic.stop();
  await traffic.expectAllReceived();
  await traffic.expectAllRegistered();
}, 60_000);
