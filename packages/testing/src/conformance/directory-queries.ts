import {
  allTopic,
  attributeTopic,
  groupTopic,
  nameIn,
  topicPrefix,
  userTopic,
  type Member,
  type TopicCount,
} from '@hubline/server/backplane';
import { expect } from 'vitest';
import type { Tests } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';

/** Names with special characters, which are known to cause faults. */
const NAMES = [
  ...['', 'lobby', 'Lobby', 'LOBBY', 'a:b', 'a', 'b', 'a:', ':', '{tag}', '{', '}', '{}', 'two words', ' ', '  ', '\t', '\n', '\0'],
  ...[
    '*',
    'l*',
    '?',
    '[a-z]',
    '%',
    '%20',
    '%3A',
    'a=b',
    'a,b',
    'a/b',
    '\\',
    '"',
    "'",
    '(a)',
    '~',
    '!',
    '|',
    '$1',
    '__proto__',
    'constructor',
  ],
  ...['zażółć', 'Ζεύς', '東京', '👩‍👩‍👧', 'é', 'e\u0301', '\u202e', '\ufeff', 'x'.repeat(1024), '東'.repeat(341)],
];

export function testQueries(test: Tests): void {
  test('counts returns the members of many topics for each process', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([ann.join('a1', 't', 'u'), ann.join('a2', 't'), bob.join('b1', 't')]);
    for (const reader of [ann, bob]) {
      const { value, missing } = await reader.directory.counts(['t', 'u', 'nobody']);
      expect(missing).toEqual([]);
      expect(value.get('t')).toEqual(sizes([ann, 2], [bob, 1]));
      expect(value.get('u')).toEqual(sizes([ann, 1]));
      expect(value.get('nobody') ?? new Map()).toEqual(new Map());
    }
    expect((await ann.directory.counts([])).value.size).toBe(0);
  });

  test('members pages through a topic, ordered by process and id', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const nodes = [ann, bob, await cluster.node('cat')];
    const ids = Array.from({ length: 25 }, (_, i) => `c${(i * 7) % 25}`);
    await Promise.all(nodes.flatMap((node) => ids.map((id) => node.join(id, 't'))));
    await ann.join('elsewhere', 'u');
    const all = nodes.flatMap(({ process }) => ids.map((connectionId) => ({ process, connectionId }))).sort(byProcessAndId);
    for (const limit of [1, 7, 25, 75, 1000]) {
      const pages = allPages<Member>(async (after) => {
        const { value } = await ann.directory.members('t', { limit, ...(after && { after }) });
        expect(value.length).toBeLessThanOrEqual(limit);
        return value;
      });
      expect(await pages).toEqual(all);
    }
  });

  test('members continues after a member that has left', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all(['c1', 'c2', 'c3'].map((id) => ann.join(id, 't')));
    await ann.leave('c2', 't');
    const after = { process: ann.process, connectionId: 'c2' };
    expect((await bob.directory.members('t', { after, limit: 10 })).value).toEqual([{ process: ann.process, connectionId: 'c3' }]);
    await ann.directory.changed(ann.local.leave('c3', 't'));
    expect((await bob.directory.members('t', { after, limit: 10 })).value).toEqual([]);
  });

  test('membersOf names the members of one process', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([ann.join('a1', 't'), ann.join('a2', 't', 'u'), bob.join('b1', 't')]);
    for (const { directory } of [ann, bob]) {
      const { value, missing } = await directory.membersOf(ann.process, 't');
      expect(missing).toEqual([]);
      expect(value.toSorted()).toEqual(['a1', 'a2']);
      expect((await directory.membersOf(bob.process, 'u')).value).toEqual([]);
      expect((await directory.membersOf('nobody', 't')).value).toEqual([]);
    }
  });

  test('records returns the records of existing connections of any node', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await ann.directory.changed(ann.local.connect('a1', { userId: 'alice' }));
    await bob.directory.changed(bob.local.connect('b1', { hub: 'news' }));
    for (const reader of [ann, bob]) {
      const { value, missing } = await reader.directory.records([ann.member('a1'), bob.member('b1'), bob.member('gone'), ann.member('a1')]);
      expect(missing).toEqual([]);
      expect([...value.keys()].sort()).toEqual(['a1', 'b1']);
      expect(value.get('a1')).toMatchObject({ connectionId: 'a1', hub: 'chat', userId: 'alice' });
      expect(value.get('b1')).toEqual({ connectionId: 'b1', hub: 'news', attributes: {}, groups: [], connectedAt: 1 });
    }
    expect((await ann.directory.records([])).value.size).toBe(0);
  });

  test('topics pages through the topics with a prefix in order, with their counts over all processes', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const users = Array.from({ length: 30 }, (_, i) => userTopic('chat', `user ${(i * 11) % 30}`));
    await Promise.all([
      ...users.map((topic, i) => ann.join(`a${i}`, topic)),
      ...users.slice(0, 10).map((topic, i) => bob.join(`b${i}`, topic)),
      ann.join('a0', allTopic('chat'), userTopic('chat2', 'x'), groupTopic('chat', 'user'), userTopic('Chat', 'x')),
    ]);
    const prefix = topicPrefix('chat', 'user');
    const all = users.map((topic, i) => ({ topic, count: i < 10 ? 2 : 1 })).sort((a, b) => (a.topic < b.topic ? -1 : 1));
    for (const limit of [1, 7, 30, 1000]) expect(await topicsOf(bob, prefix, limit)).toEqual(all);
    expect((await bob.directory.topics(topicPrefix('nothing', 'user'), { limit: 10 })).value).toEqual([]);
  });

  test('topics does not list a topic whose last member has left', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([ann.join('a1', 't'), bob.join('b1', 't')]);
    await ann.leave('a1', 't');
    expect((await ann.directory.topics('', { limit: 10 })).value).toEqual([{ topic: 't', count: 1 }]);
    await bob.leave('b1', 't');
    expect((await ann.directory.topics('', { limit: 10 })).value).toEqual([]);
  });

  test('the directory keeps groups, users and attributes of any names apart', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const makers = [groupTopic, userTopic, (hub: string, name: string) => attributeTopic(hub, 'name', name)];
    const topics = NAMES.flatMap((name) => makers.map((topicOf) => topicOf('chat', name)));
    expect(new Set(topics).size).toBe(topics.length);
    await Promise.all(topics.map((topic, i) => ann.join(`c${i}`, topic)));
    const { value: counts } = await bob.directory.counts(topics);
    for (const [i, topic] of topics.entries()) {
      expect(counts.get(topic)).toEqual(sizes([ann, 1]));
      expect(await bob.membersOf(topic)).toEqual([`c${i}`]);
    }
    for (const kind of ['group', 'user'] as const) {
      const prefix = topicPrefix('chat', kind);
      const found = (await topicsOf(bob, prefix, 10)).map(({ topic }) => nameIn(topic, prefix));
      expect(found.sort()).toEqual([...NAMES].sort());
    }
  });
}

function topicsOf({ directory }: TestNode, prefix: string, limit: number): Promise<readonly TopicCount[]> {
  return allPages<TopicCount>(async (after) => {
    const { value } = await directory.topics(prefix, { limit, ...(after && { after: after.topic }) });
    expect(value.length).toBeLessThanOrEqual(limit);
    return value;
  });
}

async function allPages<T>(next: (after: T | undefined) => Promise<readonly T[]>): Promise<readonly T[]> {
  const found: T[] = [];
  for (let page = await next(undefined); page.length > 0; page = await next(found.at(-1))) {
    found.push(...page);
    // Fails if pages repeat, which would never end.
    expect(found.length).toBeLessThan(1000);
  }
  return found;
}

const sizes = (...counts: readonly (readonly [TestNode, number])[]) => new Map(counts.map(([{ process }, count]) => [process, count]));

function byProcessAndId(a: Member, b: Member): number {
  const [before, after] = a.process === b.process ? [a.connectionId, b.connectionId] : [a.process, b.process];
  return before < after ? -1 : 1;
}
