import { groupTopic, type Member } from '@hubline/server/backplane';
import { expect } from 'vitest';
import type { Tests } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';

export function testLosses(test: Tests): void {
  test.with(['expire'], 'queries show no entry of a process from the end of its lease', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([ann.join('a1', 't'), bob.join('b1', 't', 'u')]);
    await cluster.do('expire', bob);
    expect(await seenBy(ann, bob.member('b1'))).toEqual({
      nodes: [ann.self],
      counts: new Map([[ann.process, 1]]),
      members: ['a1'],
      records: 0,
      topics: [{ topic: 't', count: 1 }],
      snapshot: [ann.process],
    });
  });

  test.with(['expire', 'thaw'], 'a process that returns registers its present entries', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([bob.join('b1', 't', 'u'), bob.join('b2', 't'), ann.join('a1', 't')]);
    const { version } = await bob.directory.changed(bob.local.joinGroups('b1', 'before'));
    await cluster.do('expire', bob);
    await ann.join('a2', 't');
    bob.local.disconnect('b2');
    bob.local.join('b3', 't', 'v');
    bob.local.leave('b1', groupTopic('chat', 'before'));
    bob.local.joinGroups('b1', 'after');
    await cluster.do('thaw', bob);
    await cluster.until(async () => (await ann.membersOf('t')).length === 4);
    for (const reader of [ann, bob]) {
      expect(await reader.membersOf('t')).toEqual(['a1', 'a2', 'b1', 'b3']);
      expect(await reader.membersOf('u')).toEqual(['b1']);
      expect(await reader.membersOf('v')).toEqual(['b3']);
      const { value: records } = await reader.directory.records(['b1', 'b2', 'b3'].map((id) => bob.member(id)));
      expect([...records.keys()].sort()).toEqual(['b1', 'b3']);
      expect(records.get('b1')?.groups).toEqual(['after']);
    }
    const { value: snapshot } = await ann.directory.snapshot(['t']);
    expect(snapshot.find(({ node }) => node.process === bob.process)?.version).toBeGreaterThanOrEqual(version);
    await bob.leave('b1', 't', 'u');
    expect(await ann.membersOf('t')).toEqual(['a1', 'a2', 'b3']);
  });

  test.with(['expire', 'thaw'], 'a process that returns without connections has no entries', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await bob.join('b1', 't');
    expect((await ann.directory.topics('', { limit: 10 })).value).toEqual([{ topic: 't', count: 1 }]);
    await cluster.do('expire', bob);
    bob.local.disconnect('b1');
    await cluster.do('thaw', bob);
    await cluster.until(() => ann.eventsAbout(bob).filter((event) => event === 'joined').length > 1);
    expect(await ann.membersOf('t')).toEqual([]);
    expect((await ann.directory.topics('', { limit: 10 })).value).toEqual([]);
    expect(await ann.recordOf(bob, 'b1')).toBeUndefined();
  });

  test.with(['expire', 'thaw'], 'membersOf names the members of a lost process until it returns', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([bob.join('b1', 't'), bob.join('b2', 't')]);
    await cluster.do('expire', bob);
    expect((await ann.directory.membersOf(bob.process, 't')).value.toSorted()).toEqual(['b1', 'b2']);
    bob.local.disconnect('b1');
    await cluster.do('thaw', bob);
    await cluster.until(async () => (await ann.directory.membersOf(bob.process, 't')).value.length === 1);
    expect((await ann.directory.membersOf(bob.process, 't')).value).toEqual(['b2']);
  });

  test.with(['freeze', 'thaw'], 'queries show a frozen process, and its changes when their flush resolves', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await bob.join('b1', 't');
    await cluster.do('freeze', bob);
    let isDone = false;
    const flush = bob.join('b2', 't').then(() => (isDone = true));
    await ann.join('a1', 't');
    expect(await ann.membersOf('t')).toEqual(['a1', 'b1']);
    expect(isDone).toBe(false);
    await cluster.do('thaw', bob);
    await flush;
    expect(await ann.membersOf('t')).toEqual(['a1', 'b1', 'b2']);
    expect(ann.eventsAbout(bob)).toEqual(['joined']);
  });

  test.with(
    ['cut', 'heal'],
    'queries answer with the local entries and name the other nodes as missing while the link is down',
    async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await Promise.all([ann.join('a1', 't'), bob.join('b1', 't')]);
      await cluster.do('cut', ann);
      await cluster.until(() => ann.link.state === 'down');
      await ann.join('a2', 't');
      const { directory } = ann;
      const answers = await Promise.all([
        directory.nodes(),
        directory.counts(['t']),
        directory.members('t', { limit: 10 }),
        directory.records([ann.member('a1'), ann.member('a2'), bob.member('b1')]),
        directory.topics('', { limit: 10 }),
        directory.snapshot(['t']),
        directory.membersOf(bob.process, 't'),
      ]);
      for (const answer of answers) expect(answer).toMatchObject({ missing: ['bob'], hasUnknownNodes: true });
      expect(await seenBy(ann, ann.member('a2'))).toEqual({
        nodes: [ann.self],
        counts: new Map([[ann.process, 2]]),
        members: ['a1', 'a2'],
        records: 1,
        topics: [{ topic: 't', count: 2 }],
        snapshot: [ann.process],
      });
      expect((await directory.membersOf(ann.process, 't')).value.toSorted()).toEqual(['a1', 'a2']);
      expect((await directory.membersOf(bob.process, 't')).value).toEqual([]);
      expect(await bob.membersOf('t')).toEqual(['a1', 'b1']);
    },
  );

  test.with(
    ['cut', 'heal'],
    'an answer of a process that knows no other node MUST NOT be complete while the link is down',
    async (cluster) => {
      const ann = await cluster.node('ann');
      await ann.join('a1', 't');
      expect(await ann.directory.members('t', { limit: 10 })).toMatchObject({ missing: [], hasUnknownNodes: false });
      await cluster.do('cut', ann);
      await cluster.until(() => ann.link.state === 'down');
      const answer = await ann.directory.members('t', { limit: 10 });
      expect(answer).toEqual({ value: [{ process: ann.process, connectionId: 'a1' }], missing: [], hasUnknownNodes: true });
    },
  );

  test.with(
    ['cut', 'heal'],
    'changed resolves at once while the link is down, and the change is written when the link is up again',
    async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const { version } = await ann.join('a1', 't');
      await cluster.do('cut', ann);
      await cluster.until(() => ann.link.state === 'down');
      const down = await ann.join('a2', 't');
      expect(down.version).toBeGreaterThan(version);
      expect(down.watched).toEqual(new Set(['t']));
      await ann.leave('a1', 't');
      await cluster.do('heal', ann);
      await cluster.until(() => ann.link.state === 'up');
      await cluster.until(async () => (await bob.membersOf('t')).includes('a2'));
      expect(await bob.membersOf('t')).toEqual(['a2']);
      expect(await ann.directory.members('t', { limit: 10 })).toMatchObject({ missing: [], hasUnknownNodes: false });
      expect((await ann.join('a3', 't')).version).toBeGreaterThan(down.version);
      expect(await bob.membersOf('t')).toEqual(['a2', 'a3']);
    },
  );

  test.with(['cut', 'heal'], 'a watch that is opened while the link is down is registered when the link is up again', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await cluster.do('cut', bob);
    await cluster.until(() => bob.link.state === 'down');
    const watch = await bob.directory.watch('t');
    await cluster.do('heal', bob);
    await cluster.until(() => bob.link.state === 'up');
    await cluster.until(async () => (await ann.directory.changed({ topics: ['t'], connections: [] })).watched.has('t'));
    await watch.close();
    expect((await ann.directory.changed({ topics: ['t'], connections: [] })).watched).toEqual(new Set());
  });
}

/** The answers of one node to all queries about the topic `t` and one connection. */
async function seenBy({ directory }: TestNode, { process, connectionId }: Member) {
  const members = (await directory.members('t', { limit: 10 })).value;
  return {
    nodes: (await directory.nodes()).value,
    counts: (await directory.counts(['t'])).value.get('t'),
    members: members.map((member) => member.connectionId),
    records: (await directory.records([{ process, connectionId }])).value.size,
    topics: (await directory.topics('', { limit: 10 })).value,
    snapshot: (await directory.snapshot(['t'])).value.map(({ node }) => node.process),
  };
}
