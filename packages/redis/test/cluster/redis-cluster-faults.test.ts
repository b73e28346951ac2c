import { expect, it } from 'vitest';
import { until } from '@hubline/testing';
import { Talk } from './talk.ts';

it('a slot that moves under traffic costs no member, loses and doubles nothing', async () => {
  await using talk = await Talk.on();
  const { servers, topics, bob } = talk;
  const slot = Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', `hubline:{${topics[0]}}`));
  const from = await servers.masterOf(slot);
  const to = (await servers.masters()).find((master) => master !== from)!;
  await servers.moveSlot(slot, to);
  await talk.end();
  await talk.expectAllRegistered();
  await talk.expectAllHeard();
  expect(bob.happened('gap')).toBe(false);
  await bob.publish(topics[0]!, 'still there');
}, 60_000);

it('a slot that is long on its way holds up nobody: what is there already is asked for there', async () => {
  await using talk = await Talk.on();
  const { servers, ann, bob } = talk;
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
  await talk.end();
  await talk.expectAllHeard();
}, 60_000);

it('an orderly failover loses, doubles and reorders nothing', async () => {
  await using talk = await Talk.on();
  await until(() => talk.topics.every((topic) => talk.bob.heard(topic).length > 0));
  await talk.servers.failover(talk.servers.nodes[0]!);
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
}, 60_000);

it('a master that is killed is an outage: what waited for its replica arrives, once and in order', async () => {
  await using talk = await Talk.on();
  await talk.servers.nodes[0]!.stop();
  await until(() => talk.ann.happened('down'), { timeoutMs: 10_000 });
  await until(() => talk.ann.happened('up') && talk.bob.happened('up'), { timeoutMs: 20_000 });
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
}, 60_000);

it('what a master had acknowledged and took with it is registered again', async () => {
  await using talk = await Talk.on();
  const { servers, bob, ann } = talk;
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
  await talk.end();
}, 60_000);

it('a cluster without sharded pub/sub is used by classic channels', async () => {
  await using talk = await Talk.on({ replicas: 0, args: ['--rename-command', 'SPUBLISH', ''] });
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
}, 60_000);
