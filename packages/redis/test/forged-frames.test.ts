import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RepairAnswers } from '../src/repair-answers.ts';
import { decodeFrame, encodeFrame, KIND } from '../src/frame.ts';
import { History } from '../src/history.ts';
import { encodeNotice, NOTICES } from '../src/notice.ts';
import { settingsFrom } from '../src/options.ts';
import type { Range } from '../src/ranges.ts';
import { encodeAnswer, type Answer } from '../src/repair-message.ts';
import { LossyPubSub, useFakeTime, Node, pair, advance, nodesOn } from './repair-nodes.ts';

const FAR = 2 ** 40;
const frame = (sequence: number, kind: 0 | 1 | 2 | 3): Buffer =>
  encodeFrame({ kind, origin: 'ann.1', sequence, payload: Buffer.from(`forged ${sequence}`) });
/** Every second number, the highest first. */
const descending = (count: number, from = FAR): Range[] => Array.from({ length: count }, (_, i): Range => [from - 2 * i, from - 2 * i]);

beforeEach(useFakeTime);
afterEach(() => {
  vi.useRealTimers();
});

describe('a frame without a copy from a sender that keeps copies', () => {
  it.each([
    ['two far ahead', [frame(FAR, KIND.message), frame(FAR + 1, KIND.message)]],
    ['a first one far ahead', [frame(FAR, KIND.firstMessage)]],
  ])('a forged frame is dropped and reported, and later frames of its sender are delivered: %s', async (_what, forged) => {
    const { ann, bob } = await pair();
    for (const each of forged) bob.bus.receive('t', each);
    await ann.publish('t', '2', '3');
    expect(bob.received).toEqual(['1', '2', '3']);
    expect(bob.gaps).toEqual([]);
    expect(bob.events.filter(([name]) => name === 'deliver')).toEqual([['deliver', 'invalid_message']]);
  });

  it('a forged first frame does not prevent later frames of its sender', async () => {
    const { nodes } = nodesOn('ann', 'bob');
    const [ann, bob] = nodes as readonly [Node, Node];
    bob.subscribe('t');
    bob.bus.receive('t', frame(FAR, KIND.message));
    await ann.publish('t', '1', '2');
    await advance(100);
    expect(bob.received).toEqual([`forged ${FAR}`, '1', '2']);
  });

  it('a forged first frame does not prevent the repair of a missing last message', async () => {
    const pubSub = new LossyPubSub();
    const [ann, bob] = [new Node(pubSub, 'ann'), new Node(pubSub, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.subscribe('t');
    bob.bus.receive('t', frame(FAR, KIND.message));
    pubSub.drop(bob, 't');
    await ann.publish('t', '1');
    ann.beat();
    await advance(100);
    expect(bob.received).toEqual([`forged ${FAR}`, '1']);
  });
});

it.each(['__proto__', 'constructor', 'toString'])('a request for frames of the channel %s is answered', async (channel) => {
  const { pubSub, ann } = await pair();
  const payload = Buffer.from(`{"${channel}":{"ranges":[[1,1]]}}`);
  ann.bus.receive('node=ann', encodeFrame({ kind: KIND.ask, origin: 'bob.1', sequence: 0, payload }));
  await advance(10);
  const [answer] = pubSub.published.filter(({ channel: each }) => each === 'node=bob').map(({ bytes }) => decodeFrame(bytes));
  expect(Buffer.from(answer!.payload).toString()).toContain(`"gone":{"${channel}":[[1,1]]}`);
});

describe('an answer to a request for frames', () => {
  /** Makes a node that misses all frames below a far sequence. Returns it with a function that sends it a part of an answer. */
  async function missing() {
    const { pubSub, ann, bob } = await pair();
    ann.bus.close(); // ann itself sends no answer
    pubSub.drop(ann, 'node=ann', { count: 1000 });
    bob.bus.receive(NOTICES, encodeNotice({ is: 'beat', incarnation: 'ann.1', claims: { t: [1, FAR + 1] }, repairMs: 10_000 }));
    const answer = (part: Partial<Answer>): void => {
      const payload = encodeAnswer({ frames: [], gone: {}, void: {}, unsent: {}, isLast: false, ...part });
      bob.bus.receive('node=bob', encodeFrame({ kind: KIND.answer, origin: 'ann.1', sequence: 0, payload }));
    };
    return { bob, answer };
  }

  it('an answer with 5,000 ranges is applied, and one with more is dropped and reported', async () => {
    const { bob, answer } = await missing();
    answer({ void: { t: descending(5000) } });
    expect(bob.events).not.toContainEqual(['deliver', 'invalid_message']);
    answer({ void: { t: descending(5000, FAR / 2) }, gone: { u: [[1, 1]] } });
    expect(bob.events).toContainEqual(['deliver', 'invalid_message']);
    answer({ gone: { t: [[2, FAR + 1]] } });
    expect(bob.gaps).toEqual([{ channel: 't', ms: expect.any(Number) as number }]);
  });

  it('an answer of more than 1 MiB is dropped and reported', async () => {
    const { bob, answer } = await missing();
    answer({ gone: { t: [[2, FAR + 1]], ['x'.repeat(1024 * 1024)]: [] } });
    expect(bob.events).toContainEqual(['deliver', 'invalid_message']);
    expect(bob.gaps).toEqual([]);
  });

  it('an answer that leaves more than 10,000 missing ranges makes all of them a gap', async () => {
    const { bob, answer } = await missing();
    for (let part = 0; part < 2; part++) answer({ void: { t: descending(5000, FAR - 10_000 * part) } });
    expect(bob.gaps).toHaveLength(0);
    answer({ void: { t: descending(5000, FAR - 10_000 * 2) } });
    expect(bob.gaps).toHaveLength(1);
  });

  it('an answer is sent in parts of some 2,000 ranges', async () => {
    const gone = descending(300);
    const parts: Answer[] = [];
    const answers = new RepairAnswers({
      history: { read: (_channel, [, to]) => ({ frames: [], gone, void: [], unsent: [], next: to + 1 }) },
      send: async (_asker, part) => void parts.push(part),
    });
    answers.add('bob', { t: { ranges: Array.from({ length: 20 }, (_, i): Range => [2 * i + 1, 2 * i + 1]) } });
    await advance(10);
    expect(parts.map((part) => [part.gone.t?.length, part.isLast])).toEqual([
      [2100, false],
      [2100, false],
      [1800, true],
    ]);
  });

  it('an answer names consecutive refused messages as one range', () => {
    const history = new History({ registration: { session: { incarnation: 'ann.1' } }, settings: settingsFrom({ repairBytes: 100_000 }) });
    for (let i = 0; i < 10; i++) history.void(history.add('t', Buffer.from('refused')));
    history.add('t', Buffer.from('sent'));
    expect(history.read('t', [1, 10], { maxBytes: 1000 }).void).toEqual([[1, 10]]);
  });
});
