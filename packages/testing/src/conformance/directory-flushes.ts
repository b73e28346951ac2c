import { groupTopic, type Topic } from '@hubline/server/backplane';
import { expect } from 'vitest';
import type { Tests } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';

export function testFlushes(test: Tests): void {
  test('a node registers its local entries when it opens its link', async (cluster) => {
    const bob = await cluster.node('bob');
    const ann = cluster.open('ann');
    ann.local.join('a1', 't', 'u');
    ann.local.connect('a2', { userId: 'alice' });
    await ann.link.ready();
    await ann.directory.changed({ topics: [], connections: [] });
    expect(await bob.membersOf('t')).toEqual(['a1']);
    expect(await bob.membersOf('u')).toEqual(['a1']);
    expect(await bob.recordOf(ann, 'a2')).toMatchObject({ userId: 'alice' });
  });

  test('all changes of one turn get the same promise, and a change after a flush gets a higher version', async (cluster) => {
    const ann = await cluster.node('ann');
    const first = ann.join('a1', 't');
    const second = ann.join('a2', 't');
    await Promise.resolve();
    const third = ann.join('a3', 'u');
    expect(second).toBe(first);
    expect(third).toBe(first);
    const { version } = await first;
    expect((await ann.join('a4', 't')).version).toBeGreaterThan(version);
  });

  test('flushes resolve in the order of their versions', async (cluster) => {
    const ann = await cluster.node('ann');
    const versions: number[] = [];
    const flushes: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      flushes.push(ann.join(`a${i}`, 't').then(({ version }) => versions.push(version)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(flushes);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBeGreaterThan(1);
  });

  test.with(['freeze', 'thaw'], 'one flush is in flight at a time, and changes during it go into the next one', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await cluster.do('freeze', ann);
    const first = ann.join('a1', 't');
    await cluster.until(() => bob.membersOf('t'));
    const second = ann.join('a2', 't');
    await cluster.do('thaw', ann);
    expect((await second).version).toBeGreaterThanOrEqual((await first).version);
    expect(await bob.membersOf('t')).toEqual(['a1', 'a2']);
  });

  test('queries of every node show a change when its promise resolves', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    for (let i = 0; i < 20; i++) {
      await ann.join('a1', 't');
      expect(await bob.membersOf('t')).toEqual(['a1']);
      expect(await ann.membersOf('t')).toEqual(['a1']);
      expect(await bob.recordOf(ann, 'a1')).toBeDefined();
      await ann.directory.changed(ann.local.disconnect('a1'));
      expect(await bob.membersOf('t')).toEqual([]);
      expect(await ann.membersOf('t')).toEqual([]);
      expect(await bob.recordOf(ann, 'a1')).toBeUndefined();
    }
  });

  test('a flush writes the local entries at the moment of the flush', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const flush = ann.directory.changed({ topics: ['t', groupTopic('chat', 'late')], connections: ['a1', 'a2'] });
    ann.local.join('a1', 't');
    ann.local.join('a2', 't');
    ann.local.leave('a2', 't');
    ann.local.joinGroups('a1', 'late');
    await flush;
    expect(await bob.membersOf('t')).toEqual(['a1']);
    expect((await bob.recordOf(ann, 'a1'))?.groups).toEqual(['late']);
  });

  test('a flush writes absolute values, so a repeated or empty change has no effect', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const change = ann.local.join('a1', 't');
    await Promise.all([ann.directory.changed(change), ann.directory.changed(change)]);
    await ann.directory.changed(change);
    await ann.directory.changed({ topics: ['t', 'never'], connections: ['a1', 'nobody'] });
    expect((await bob.directory.counts(['t'])).value.get('t')).toEqual(new Map([[ann.process, 1]]));
    expect((await bob.directory.topics('', { limit: 10 })).value).toEqual([{ topic: 't', count: 1 }]);
    expect(await bob.recordOf(ann, 'nobody')).toBeUndefined();
  });

  test('queries show all groups of a connection at every moment, while it joins and leaves many groups', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const groups = Array.from({ length: 12 }, (_, i) => `${i}`.padEnd(100, '-'));
    const of = (names: readonly string[]) => names.map((name) => groupTopic('chat', name));
    const groupsSeen = async () => (await bob.recordOf(ann, 'a1'))?.groups ?? [];
    /** The first group stays joined, so no query may miss it. */
    const [first = '', ...others] = groups;
    await ann.directory.changed(ann.local.joinGroups('a1', first));
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        expect(await groupsSeen()).toContain(first);
        await new Promise(setImmediate); // a memory backplane answers within the turn
      }
    })();
    for (let i = 0; i < others.length; i++) {
      await ann.directory.changed(ann.local.joinGroups('a1', others[i]!));
      expect(await groupsSeen()).toEqual([first, ...others.slice(0, i + 1)].sort());
    }
    for (let i = 0; i < others.length; i++) {
      await ann.leave('a1', ...of([others[i]!]));
      expect(await groupsSeen()).toEqual([first, ...others.slice(i + 1)].sort());
    }
    const later = others.map((name) => `${name} later`);
    await ann.directory.changed(ann.local.joinGroups('a1', ...later));
    expect(await groupsSeen()).toEqual([first, ...later].sort());
    const left = ann.leave('a1', ...of(later.slice(0, 6)));
    await Promise.all([left, ann.directory.changed(ann.local.joinGroups('a1', 'new'))]);
    expect(await groupsSeen()).toEqual([first, 'new', ...later.slice(6)].sort());
    isOver = true;
    await asking;
    await ann.directory.changed(ann.local.disconnect('a1'));
    await ann.directory.changed(ann.local.joinGroups('a1', ...others));
    expect(await groupsSeen()).toEqual(others.toSorted());
  });

  test('a join and a disconnect in one turn leave no entries', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([ann.join('a1', 't'), ann.directory.changed(ann.local.disconnect('a1'))]);
    expect(await bob.membersOf('t')).toEqual([]);
    expect((await bob.directory.topics('', { limit: 10 })).value).toEqual([]);
    expect(await bob.recordOf(ann, 'a1')).toBeUndefined();
  });

  test('queries show the present record of a connection', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const record = () => bob.recordOf(ann, 'a1');
    await ann.directory.changed(
      ann.local.connect('a1', { userId: 'alice', attributes: { role: 'admin', level: 1, paid: false }, connectedAt: 5 }),
    );
    expect(await record()).toEqual({
      connectionId: 'a1',
      hub: 'chat',
      userId: 'alice',
      attributes: { role: 'admin', level: 1, paid: false },
      groups: [],
      connectedAt: 5,
    });
    await ann.directory.changed(ann.local.connect('a1', { attributes: { role: '1' } }));
    await ann.directory.changed(ann.local.joinGroups('a1', 'b: {1}', 'a'));
    const known = { connectionId: 'a1', hub: 'chat', attributes: { role: '1' }, connectedAt: 1 };
    expect(await record()).toEqual({ ...known, groups: ['a', 'b: {1}'] });
    await ann.directory.changed(ann.local.leave('a1', groupTopic('chat', 'a')));
    expect(await record()).toEqual({ ...known, groups: ['b: {1}'] });
    await ann.directory.changed(ann.local.disconnect('a1'));
    await ann.directory.changed(ann.local.connect('a1'));
    expect(await record()).toEqual({ ...known, attributes: {}, groups: [] });
  });

  test.long('a flush writes 10,000 groups of one connection', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const names = Array.from({ length: 9999 }, (_, i) => `group ${i}`);
    await ann.directory.changed(ann.local.joinGroups('a1', ...names));
    await ann.directory.changed(ann.local.joinGroups('a1', 'the last one'));
    expect((await bob.recordOf(ann, 'a1'))?.groups).toEqual([...names, 'the last one'].sort());
    expect(await bob.membersOf(groupTopic('chat', 'the last one'))).toEqual(['a1']);
    await ann.directory.changed(ann.local.disconnect('a1'));
    expect((await bob.directory.topics('', { limit: 10 })).value).toEqual([]);
  });

  test.long('a flush of 1,000,000 changes uses bounded memory, and messages and queries go on meanwhile', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const ids = Array.from({ length: 1000 }, (_, i) => `a${i}`);
    const topics = Array.from({ length: 1000 }, (_, i) => `t${i}`);
    await bob.subscribe('meanwhile').ready;
    for (const id of ids) ann.local.connect(id);
    for (const topic of topics) for (const id of ids) ann.local.join(id, topic);
    const before = process.memoryUsage().heapUsed;
    let most = before;
    const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage().heapUsed)), 20);
    const flush = ann.directory.changed({ topics, connections: ids });
    await Promise.all([ann.publish('meanwhile', 'said'), bob.directory.counts(topics)]);
    await flush;
    clearInterval(sampling);
    expect(bob.received('meanwhile')).toEqual(['said']);
    const { value } = await bob.directory.counts(topics);
    for (const topic of topics) expect(value.get(topic)).toEqual(new Map([[ann.process, 1000]]));
    expect((most - before) / 1e6).toBeLessThan(256);
    for (const node of [ann, bob]) expect(node.happened('down') || node.happened('report')).toBe(false);
  });

  test.long('a flush writes 200,000 topics that change in one turn', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const topics = Array.from({ length: 200_000 }, (_, i) => `t${i}`);
    for (const topic of topics) ann.local.join('a1', topic);
    await ann.directory.changed({ topics, connections: ['a1'] });
    const { value } = await bob.directory.counts(topics.slice(-10));
    for (const topic of topics.slice(-10)) expect(value.get(topic)).toEqual(new Map([[ann.process, 1]]));
    for (const node of [ann, bob]) expect(node.happened('down') || node.happened('report')).toBe(false);
    for (const topic of topics) ann.local.leave('a1', topic);
    await ann.directory.changed({ topics, connections: ['a1'] });
    expect((await bob.directory.topics('', { limit: 10 })).value).toEqual([]);
  });

  test('queries agree with a model after every 50 of 500 random changes on three nodes', async (cluster) => {
    const nodes = [...(await cluster.pair()), await cluster.node('cat')];
    const topics = Array.from({ length: 6 }, (_, i) => groupTopic('chat', `room ${i}`));
    const random = randomNumbers(20_240_607);
    let flushes: Promise<unknown>[] = [];
    for (let i = 1; i <= 500; i++) {
      const node = pick(nodes, random);
      const id = `${node.self.nodeId}-${random(8)}`;
      const topic = pick(topics, random);
      if (random(10) === 0) flushes.push(node.directory.changed(node.local.disconnect(id)));
      else if (random(2) === 0) flushes.push(node.join(id, topic));
      else flushes.push(node.leave(id, topic));
      if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      if (i % 50 > 0) continue;
      await Promise.all(flushes);
      flushes = [];
      for (const reader of nodes) await expectAll(reader, nodes, topics);
    }
  });
}

/** Expects that a query of one node shows the entries of all nodes. */
async function expectAll(reader: TestNode, nodes: readonly TestNode[], topics: readonly Topic[]): Promise<void> {
  const { value: counts } = await reader.directory.counts(topics);
  for (const topic of topics) {
    const members = nodes.flatMap((node) => [...node.local.members(topic).keys()]);
    expect(await reader.membersOf(topic)).toEqual(members.sort());
    const sizes = nodes.map((node) => [node.process, node.local.members(topic).size] as const);
    expect(counts.get(topic)).toEqual(new Map(sizes.filter(([, size]) => size > 0)));
  }
  const ids = nodes.flatMap((node) => Array.from({ length: 8 }, (_, i) => node.member(`${node.self.nodeId}-${i}`)));
  const alive = nodes.flatMap((node) => [...node.local.connections()]);
  expect([...(await reader.directory.records(ids)).value.keys()].sort()).toEqual(alive.sort());
}

/** Random integers below `limit`, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

function pick<T>(items: readonly T[], random: (limit: number) => number): T {
  const item = items[random(items.length)];
  if (item === undefined) throw new RangeError('There are no items.');
  return item;
}
