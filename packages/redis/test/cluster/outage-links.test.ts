import { until } from '@hubline/testing';
import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import type { ClientRole } from '@hubline/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WiredNodes, type WiredNode } from './wired-node.ts';

const PATIENT = { timeoutMs: 10_000 };
const CUT_MS = 1000;

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** Three nodes that know each other and hear one channel. */
async function three(nodes: WiredNodes): Promise<readonly [WiredNode, WiredNode, WiredNode]> {
  const [ann, bob, cat] = await nodes.start(['ann', 'bob', 'cat']);
  if (!ann || !bob || !cat) throw new Error('Three nodes.');
  await Promise.all([ann, bob, cat].map((node) => node.hear('hall:all').ready));
  await until(() => [ann, bob, cat].every((node) => node.all('joined').length === 2), PATIENT);
  return [ann, bob, cat];
}

async function isOver(ms: number): Promise<void> {
  const since = performance.now();
  await until(() => performance.now() - since > ms, PATIENT);
}

const texts = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `text ${from + i}`);

/** Publishes all of them, and resolves when Redis has them. */
async function say(node: WiredNode, these: readonly string[]): Promise<void> {
  await Promise.all(these.map((text) => node.publish('hall:all', text)));
}

/** Nothing happened to these nodes but what the others told them. */
function expectNothingAt(...nodes: readonly WiredNode[]): void {
  for (const node of nodes) for (const name of ['down', 'up', 'gap', 'lost', 'report'] as const) expect(node.all(name), name).toEqual([]);
}

describe('a subscriber link that is cut for a second', () => {
  it('is repaired by the senders, and the other nodes notice nothing', async () => {
    await using nodes = new WiredNodes(redis);
    const [ann, bob, cat] = await three(nodes);
    await Promise.all([bob, cat].map((node) => node.hear('hall:group:g').ready));
    await say(ann, texts(2));
    await ann.publish('hall:group:g', 'to the group');
    await until(() => bob.all('heard').length === 3, PATIENT);
    bob.ways.subscriber.cut();
    await until(() => bob.link.state === 'down', PATIENT);
    await say(ann, texts(10, 2));
    await Promise.all(texts(7).map((text) => ann.publish('hall:group:g', `${text} to the group`)));
    await isOver(CUT_MS);
    await bob.heal();
    await until(() => bob.all('up').length === 1, PATIENT);
    await ann.publish('hall:group:g', 'the end');
    await until(() => bob.all('heard').length === 21, PATIENT);
    const toGroup = ['to the group', ...texts(7).map((text) => `${text} to the group`), 'the end'];
    expect(bob.all('heard').filter((text) => !toGroup.includes(String(text)))).toEqual(texts(12));
    expect(bob.all('heard').filter((text) => toGroup.includes(String(text)))).toEqual(toGroup);
    expect(bob.all('gap')).toEqual([]);
    expect(bob.all('down')).toHaveLength(1);
    expect(bob.all('report')).toEqual([]);
    await until(() => cat.all('heard').length === 21, PATIENT);
    expectNothingAt(ann, cat);
  });
});

describe('a command link that is cut for a second', () => {
  it('loses nothing: what is said meanwhile waits or comes, either way', async () => {
    await using nodes = new WiredNodes(redis);
    const [ann, bob, cat] = await three(nodes);
    await say(ann, texts(1));
    await until(() => bob.all('heard').length === 1, PATIENT);
    bob.ways.commands.cut();
    await until(() => bob.link.state === 'down', PATIENT);
    await say(ann, texts(10, 1));
    await until(() => bob.all('heard').length === 11, PATIENT); // at once: it hears, and knows who speaks
    const waiting = say(bob, texts(5, 11));
    await isOver(CUT_MS); // five beats, each of which says how many there were
    await bob.heal();
    await waiting;
    await until(() => bob.all('heard').length === 11 && ann.all('heard').length === 5, PATIENT);
    expect(bob.all('heard')).toEqual(texts(11));
    expect(ann.all('heard')).toEqual(texts(5, 11));
    await until(() => cat.all('heard').length === 16, PATIENT);
    expect(bob.all('gap').filter((gap) => Object.hasOwn(gap as object, 'lost'))).toEqual([]);
    expectNothingAt(ann, cat);
  });

  it('doubles nothing that had arrived when its answer was lost', async () => {
    await using nodes = new WiredNodes(redis);
    const [ann, bob, cat] = await three(nodes);
    await say(ann, texts(1));
    ann.ways.commands.delay(200); // its answer is as long under way as it was itself
    const said = say(ann, texts(3, 1));
    await until(() => [bob, cat].every((node) => node.all('heard').length === 4), { timeoutMs: 10_000, intervalMs: 1 });
    ann.ways.commands.drop();
    await ann.heal();
    await said;
    await say(ann, texts(1, 4));
    await until(() => [bob, cat].every((node) => node.all('heard').includes('text 4')), PATIENT);
    expect(ann.all('down')).toHaveLength(1);
    for (const node of [bob, cat]) expect(node.all('heard')).toEqual(texts(5));
    expectNothingAt(bob, cat);
  });
});

describe('a half-open link', () => {
  it.each<ClientRole>(['commands', 'subscriber'])('is found by what is not answered: %s', async (role) => {
    await using nodes = new WiredNodes(redis);
    const [ann, bob, cat] = await three(nodes);
    const since = performance.now();
    bob.ways[role].halfOpen();
    await until(() => bob.link.state === 'down', PATIENT);
    // A beat and redisTimeoutMs, 700 ms; TCP itself would take minutes.
    expect(performance.now() - since).toBeLessThan(5000);
    await say(ann, texts(3));
    await bob.heal();
    await until(() => bob.link.state === 'up', PATIENT);
    await say(ann, texts(1, 3));
    await until(() => [bob, cat].every((node) => node.all('heard').includes('text 3')), PATIENT);
    expect(cat.all('heard')).toEqual(texts(4));
    expect(bob.all('down')).toEqual(['backplane_unavailable']);
    expectNothingAt(ann, cat);
  });
});

describe('a Redis that is paused for longer than a command may take', () => {
  it('loses, doubles and reorders nothing when it goes on', async () => {
    await using paused = await startRedis();
    await using nodes = new WiredNodes(paused);
    const all = await three(nodes);
    const said: Promise<void>[] = [];
    let count = 0;
    const talking = setInterval(() => {
      for (const node of all) said.push(node.publish('hall:all', `${node.self.nodeId} ${count}`));
      count++;
    }, 10);
    try {
      await until(() => all.every((node) => node.all('heard').length > 20), PATIENT);
      paused.pause();
      await until(() => all.every(({ link }) => link.state === 'down'), PATIENT);
      await isOver(CUT_MS);
      paused.resume();
      await until(() => all.every(({ link }) => link.state === 'up'), PATIENT);
    } finally {
      clearInterval(talking);
    }
    await Promise.all(said);
    await until(() => all.every((node) => node.all('heard').length >= 2 * count), PATIENT);
    for (const node of all) {
      for (const other of all) {
        const { nodeId } = other.self;
        const heard = node.all('heard').filter((text) => String(text).startsWith(nodeId));
        expect(heard).toEqual(node === other ? [] : Array.from({ length: count }, (_, n) => `${nodeId} ${n}`));
      }
      expect(node.all('down')).toHaveLength(1);
      expect(node.all('lost')).toEqual([]);
      expect(node.all('report')).toEqual([]);
    }
  });
});
