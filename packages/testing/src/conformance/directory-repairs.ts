import { groupTopic } from '@hubline/server/backplane';
import { expect } from 'vitest';
import { ENTRIES, type Entry } from './fixture.ts';
import type { Tests, TestCluster } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';

/** Long, so that a store may keep it outside the record. */
const NAME = 'g'.repeat(600);
const GROUP = groupTopic('chat', NAME);
/** Entries without an unreadable value, because any text is a valid name. */
const READABLE: ReadonlySet<Entry> = new Set(['topics', 'members', 'watches']);
/** Entries of several processes in one key: a value of another type replaces all of them. */
const SHARED: ReadonlySet<Entry> = new Set(['registry', 'counts', 'watched']);
/** Entries whose loss starts a new session of the process. */
const RENEWED: ReadonlySet<Entry> = new Set(['lease', 'writes']);

/** The shortest lease of a fixture, in milliseconds after a heartbeat. */
const LEAST_LEASE_MS = 2000;

/** Tests entries that a store loses, or that other programs overwrite. */
export function testRepairs(test: Tests): void {
  for (const entry of ENTRIES) {
    test.with(
      ['lose'],
      `a node MUST notice that its ${entry} entries are lost, write them again, and report this once`,
      async (cluster) => {
        const [ann, bob] = await pairWithMembers(cluster);
        await cluster.do('lose', ann, entry);
        await cluster.until(() => RENEWED.has(entry) || ann.reportCount('repaired') > 0);
        if (entry === 'lease') await cluster.until(() => ann.happened('gap'));
        else await cluster.until(() => ann.happened('stale'));
        if (!RENEWED.has(entry)) await cluster.until(() => bob.happened('stale')); // its watches may have an outdated snapshot
        const cat = await cluster.node('cat'); // a new node knows only the written entries
        for (const reader of [cat, bob, ann]) await cluster.until(() => isCorrect(reader, [ann, bob, cat]));
        expect(ann.reportCount('repaired')).toBe(RENEWED.has(entry) ? 0 : 1);
        if (entry === 'lease') return; // the other nodes may have reported it as lost
        expect(bob.eventsAbout(ann)).not.toContain('lost: lease');
        expect(ann.happened('gap')).toBe(false);
      },
    );

    for (const fault of READABLE.has(entry) ? (['retype'] as const) : (['spoil', 'retype'] as const)) {
      const what = { spoil: 'an unreadable value', retype: 'a value of another type' }[fault];
      test.with([fault], `a node MUST NOT use ${what} of its ${entry} entries, stays up, and writes the value again`, async (cluster) => {
        const [ann, bob] = await pairWithMembers(cluster);
        await cluster.do(fault, ann, entry);
        const isLost = fault === 'retype' && SHARED.has(entry);
        for (let healed = isLost; !healed;) healed = await isCompleteAndCorrect(bob, [ann, bob]);
        for (const node of [ann, bob]) await cluster.until(() => node.happened('stale') || node.happened('gap'));
        const cat = await cluster.node('cat');
        for (const reader of [cat, bob, ann]) await cluster.until(() => isCorrect(reader, [ann, bob, cat]));
        for (const node of [ann, bob]) {
          expect(node.happened('down')).toBe(false);
          expect(node.reportCount('flush') + node.reportCount('lease')).toBe(0);
          expect(node.reportCount('read')).toBeLessThanOrEqual(2); // the value, and a related entry of another key
        }
      });
    }
  }

  for (const entry of ['counts', 'members'] as const) {
    test.with(
      ['freeze', 'thaw', 'lose'],
      `a query MUST NOT return a complete answer while lost ${entry} entries are not written again`,
      async (cluster) => {
        const [ann, bob] = await cluster.pair();
        await ann.subscribe('t').ready; // a node with a member is always subscribed to the topic
        await ann.join('a1', 't');
        await cluster.do('freeze', ann);
        await cluster.do('lose', ann, entry);
        const { counts, members, topics, snapshot } = await ask(bob);
        const asked = entry === 'counts' ? [counts, members, topics, snapshot] : [members, snapshot];
        for (const { missing } of asked) expect(missing).toContain('ann');
        await cluster.do('thaw', ann);
        await cluster.until(async () => {
          const { members: healed } = await ask(bob);
          return healed.missing.length === 0 && !healed.hasUnknownNodes && healed.value.length === 1;
        });
      },
    );
  }

  test('a query of a topic without members MUST return a complete answer', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await ann.subscribe('t').ready;
    await ann.join('a1', 't', 'u');
    for (let round = 0; round < 20; round++) {
      for (const node of [ann, bob]) {
        await ann.leave('a1', 't');
        for (const { missing } of Object.values(await ask(node))) expect(missing).toEqual([]);
        const joining = ann.join('a1', 't');
        for (const { missing } of Object.values(await ask(bob))) expect(missing).toEqual([]);
        await joining;
      }
    }
  });

  test.with(
    ['flush'],
    'a query MUST NOT return a complete and wrong answer, and no node reports a lost node, while the store is flushed',
    async (cluster) => {
      const [ann, bob] = await pairWithMembers(cluster);
      for (let round = 1; round <= 3; round++) {
        let isOver = false;
        const asking = [ann, bob].map(async (reader) => {
          while (!isOver) await isCompleteAndCorrect(reader, [ann, bob]);
        });
        await cluster.do('flush', ann);
        await cluster.until(async () => (await isCorrect(ann, [ann, bob])) && (await isCorrect(bob, [ann, bob])));
        isOver = true;
        await Promise.all(asking);
        await cluster.until(() => [ann, bob].every((node) => node.events.filter(({ name }) => name === 'gap').length >= round));
      }
      for (const node of [ann, bob])
        expect([...ann.eventsAbout(bob), ...bob.eventsAbout(ann)], node.self.nodeId).not.toContain('lost: lease');
      await cluster.until(async () => (await ann.directory.changed({ topics: ['t'], connections: [] })).watched.has('t'));
    },
  );

  test.with(
    ['freeze', 'thaw', 'flush'],
    'a query MUST NOT return a complete answer without a process that has not noticed yet that the store was flushed',
    async (cluster) => {
      const [ann, bob] = await pairWithMembers(cluster);
      const frozenAt = performance.now();
      await cluster.do('freeze', bob);
      await cluster.do('flush', ann);
      await ann.directory.changed({ topics: ['t'], connections: ['a1'] }); // the write reveals the loss before any query
      for (let i = 0; i < 3; i++) {
        const { seen, isComplete } = await seenBy(ann, [ann, bob]);
        if (performance.now() - frozenAt > LEAST_LEASE_MS) break; // on a slow machine the lease may have ended
        if (isComplete) expect(seen).toEqual(expectedOf([ann, bob]));
        expect(ann.eventsAbout(bob)).not.toContain('lost: lease');
      }
      await cluster.do('thaw', bob);
      await cluster.until(() => isCorrect(ann, [ann, bob]));
    },
  );
}

async function ask({ directory }: TestNode) {
  return {
    counts: await directory.counts(['t']),
    members: await directory.members('t', { limit: 10 }),
    topics: await directory.topics('', { limit: 10 }),
    snapshot: await directory.snapshot(['t']),
  };
}

/** Two nodes, each with a connection in the topic and the group, and a watch of the topic. */
async function pairWithMembers(cluster: TestCluster): Promise<readonly [ann: TestNode, bob: TestNode]> {
  const [ann, bob] = await cluster.pair();
  for (const [node, id] of [
    [ann, 'a1'],
    [bob, 'b1'],
  ] as const) {
    node.local.connect(id, { userId: id });
    await node.join(id, 't', GROUP);
  }
  await Promise.all([ann.directory.watch('t'), bob.directory.watch('t')]);
  await cluster.until(() => isCorrect(bob, [ann, bob]));
  return [ann, bob];
}

interface Seen {
  readonly nodes: readonly string[];
  readonly count: number;
  readonly members: readonly string[];
  readonly topics: readonly string[];
  readonly groups: readonly (readonly string[] | undefined)[];
  readonly snapshot: readonly string[];
  readonly isWatched: boolean;
}

async function seenBy({ directory, self }: TestNode, [ann, bob]: readonly TestNode[]): Promise<{ seen: Seen; isComplete: boolean }> {
  const connections = [ann!.member('a1'), bob!.member('b1')];
  const answers = [
    await directory.nodes(),
    await directory.counts(['t']),
    await directory.members('t', { limit: 10 }),
    await directory.topics('', { limit: 10 }),
    await directory.records(connections),
    await directory.snapshot(['t']),
  ] as const;
  const [nodes, counts, members, topics, records, snapshot] = answers;
  const { watched } = await directory.changed({ topics: [], connections: [], touched: ['t'] });
  const seen = {
    nodes: nodes.value.map(({ nodeId }) => nodeId).sort(),
    count: [...(counts.value.get('t')?.values() ?? [])].reduce((sum, count) => sum + count, 0),
    members: members.value.map(({ connectionId }) => connectionId).sort(),
    topics: topics.value.map(({ topic, count }) => `${topic}: ${count}`),
    groups: connections.map(({ connectionId }) => records.value.get(connectionId)?.groups),
    snapshot: snapshot.value.flatMap((part) => part.records.map(({ connectionId }) => connectionId)).sort(),
    isWatched: watched.has('t') || self.nodeId === 'cat',
  };
  return { seen, isComplete: answers.every(({ missing, hasUnknownNodes }) => missing.length === 0 && !hasUnknownNodes) };
}

function expectedOf(nodes: readonly TestNode[]): Seen {
  return {
    nodes: nodes.map(({ self }) => self.nodeId).sort(),
    count: 2,
    members: ['a1', 'b1'],
    topics: [`${GROUP}: 2`, 't: 2'],
    groups: [[NAME], [NAME]],
    snapshot: ['a1', 'b1'],
    isWatched: true,
  };
}

/** Whether all answers of the node are complete and correct. */
async function isCorrect(reader: TestNode, nodes: readonly TestNode[]): Promise<boolean> {
  const { seen, isComplete } = await seenBy(reader, nodes);
  return isComplete && JSON.stringify(seen) === JSON.stringify(expectedOf(nodes));
}

/** Whether all answers of the node are complete. Fails if they are complete and wrong. */
async function isCompleteAndCorrect(reader: TestNode, nodes: readonly TestNode[]): Promise<boolean> {
  const { seen, isComplete } = await seenBy(reader, nodes);
  if (isComplete) expect(seen).toEqual(expectedOf(nodes));
  return isComplete;
}
