import type { Flush, ProcessSnapshot, Topic } from '@hubline/server/backplane';
import { expect } from 'vitest';
import type { Tests } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';

export function testWatches(test: Tests): void {
  test('a snapshot has a part with records for every process, also without members', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const cat = await cluster.node('cat');
    ann.local.connect('a1', { userId: 'alice' });
    await Promise.all([ann.join('a1', 't'), ann.join('a2', 'u'), bob.join('b1', 't')]);
    const { value, missing } = await cat.directory.snapshot(['t']);
    expect(missing).toEqual([]);
    expect(value).toHaveLength(3);
    expect(idsIn(value, ann)).toEqual(['a1']);
    expect(idsIn(value, bob)).toEqual(['b1']);
    expect(idsIn(value, cat)).toEqual([]);
    expect(partOf(value, ann).node).toEqual(ann.self);
    expect(partOf(value, ann).records).toEqual([ann.local.record('a1')]);
  });

  test('a snapshot of many topics has each record once', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await Promise.all([ann.join('a1', 't', 'u'), ann.join('a2', 'u'), ann.join('a3', 'v'), bob.join('b1', 't')]);
    const { value } = await bob.directory.snapshot(['t', 'u', 'nobody']);
    expect(idsIn(value, ann)).toEqual(['a1', 'a2']);
    expect(idsIn(value, bob)).toEqual(['b1']);
    for (const part of (await ann.directory.snapshot([])).value) expect(part.records).toEqual([]);
  });

  test('a snapshot includes every flush up to its version', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    for (let i = 0; i < 20; i++) {
      const { version } = await ann.join(`a${i}`, i % 2 === 0 ? 't' : 'other');
      const { value } = await bob.directory.snapshot(['t']);
      expect(partOf(value, ann).version).toBeGreaterThanOrEqual(version);
      expect(idsIn(value, ann)).toContain(`a${i - (i % 2)}`);
    }
  });

  test('a flush names the touched topics that any node watches', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const watches = await Promise.all([bob.directory.watch('t'), ann.directory.watch('u')]);
    expect((await ann.join('a1', 't', 'u', 'v')).watched).toEqual(new Set(['t', 'u']));
    expect((await bob.join('b1', 't', 'u', 'v')).watched).toEqual(new Set(['t', 'u']));
    expect((await ann.join('a1', 'v')).watched).toEqual(new Set());
    expect((await ann.leave('a1', 't')).watched).toEqual(new Set(['t']));
    expect((await ann.directory.changed(ann.local.disconnect('a1'))).watched).toEqual(new Set(['u']));
    await Promise.all(watches.map((watch) => watch.close()));
  });

  test('a flush names watched topics that are touched without a change of members', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await ann.join('a1', 't');
    await bob.directory.watch('t');
    const { watched } = await ann.directory.changed({ topics: [], connections: ['a1'], touched: ['t', 'u'] });
    expect(watched).toEqual(new Set(['t']));
  });

  test('closing a watch twice ends it once, and other watches of the topic go on', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const [first, second] = await Promise.all([bob.directory.watch('t'), bob.directory.watch('t')]);
    await Promise.all([first.close(), first.close()]);
    expect((await ann.join('a1', 't')).watched).toEqual(new Set(['t']));
    await second.close();
    expect((await ann.join('a2', 't')).watched).toEqual(new Set());
  });

  test('a flush MUST report a watch that was registered before the flush began', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    for (let i = 0; i < 50; i++) {
      const watch = await bob.directory.watch('t');
      expect((await ann.join(`a${i}`, 't')).watched).toEqual(new Set(['t']));
      await watch.close();
    }
  });

  test('a change is in the snapshot after a watch was registered, or it is reported', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    for (let i = 0; i < 50; i++) {
      const changing: Promise<Flush>[] = [];
      for (let turn = 0; turn < i % 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      changing.push(ann.join(`a${i}`, 't'));
      const watch = await bob.directory.watch('t');
      const { value } = await bob.directory.snapshot(['t']);
      const [flush] = await Promise.all(changing);
      const isIn = idsIn(value, ann).includes(`a${i}`);
      expect(isIn || flush?.watched.has('t')).toBe(true);
      if (flush && partOf(value, ann).version >= flush.version) expect(isIn).toBe(true);
      await watch.close();
    }
  });

  test('the watches of a node end when its link is closed', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    await bob.directory.watch('t');
    await bob.link.close();
    expect((await ann.join('a1', 't')).watched).toEqual(new Set());
  });

  test.with(['expire', 'thaw'], 'the watches of a node end with its lease, and are registered again when it returns', async (cluster) => {
    const [ann, bob] = await cluster.pair();
    const watch = await bob.directory.watch('t');
    await cluster.do('expire', bob);
    expect((await ann.join('a1', 't')).watched).toEqual(new Set());
    await cluster.do('thaw', bob);
    await cluster.until(() => isWatched(ann, 't'));
    await watch.close();
    expect(await isWatched(ann, 't')).toBe(false);
  });
}

async function isWatched(node: TestNode, topic: Topic): Promise<boolean> {
  return (await node.directory.changed({ topics: [topic], connections: [] })).watched.has(topic);
}

function partOf(snapshot: readonly ProcessSnapshot[], { process }: TestNode): ProcessSnapshot {
  const part = snapshot.find(({ node }) => node.process === process);
  if (!part) throw new Error(`The snapshot has no part of the process ${process}.`);
  return part;
}

const idsIn = (snapshot: readonly ProcessSnapshot[], node: TestNode): readonly string[] =>
  partOf(snapshot, node)
    .records.map(({ connectionId }) => connectionId)
    .sort();
