import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RepairAnswers } from '../src/repair-answers.ts';
import { encodeFrame, KIND } from '../src/frame.ts';
import { encodeNotice, NOTICES } from '../src/notice.ts';
import type { Range } from '../src/ranges.ts';
import { encodeAsk } from '../src/repair-message.ts';
import { DecodeErrorReporter } from '../src/decode-error-reporter.ts';
import { decodeRecord } from '../src/values.ts';
import { LossyPubSub, useFakeTime, Node, pair, advance, nodesOn } from './repair-nodes.ts';

const SIZED = { channel: 't', ms: expect.any(Number) as number };

beforeEach(useFakeTime);
afterEach(() => {
  vi.useRealTimers();
});

describe('messages that are not repaired', () => {
  it('a later listener of a channel that was closed during an outage receives no earlier message', async () => {
    const { ann, bob, subscription } = await pair();
    bob.down();
    await ann.publish('t', '2', '3');
    subscription.close();
    await advance(1000);
    bob.up();
    await advance(100);
    bob.subscribe('t');
    await ann.publish('t', '4');
    ann.beat();
    await advance(100);
    expect(bob.received).toEqual(['1', '4']);
    expect(bob.gaps).toEqual([]);
  });

  it('a later listener receives no earlier message, and no gap', async () => {
    const { ann, nodes } = ((world) => ({ ...world, ann: world.nodes[0]! }))(nodesOn('ann', 'bob'));
    await ann.publish('t', 'before');
    await advance(100);
    nodes[1]!.subscribe('t');
    ann.beat();
    await ann.publish('t', 'after');
    await advance(100);
    expect(nodes[1]!.received).toEqual(['after']);
    expect(nodes[1]!.gaps).toEqual([]);
  });

  it('a listener receives the first message of a sender after it was missed', async () => {
    const { pubSub, nodes } = nodesOn('ann', 'bob');
    const [ann, bob] = nodes as readonly [Node, Node];
    bob.subscribe('t');
    await advance(50);
    pubSub.drop(bob, 't');
    await ann.publish('t', '1', '2');
    await advance(1);
    expect(bob.received).toEqual(['1', '2']);
    bob.subscribe('u');
    pubSub.drop(bob, 'u');
    await ann.publish('u', '3');
    ann.beat();
    await advance(10);
    expect(bob.received).toEqual(['1', '2', '3']);
    expect(bob.gaps).toEqual([]);
  });

  it('a new listener receives a missed first message although the request takes longer than its subscription exists', async () => {
    const { pubSub, nodes } = nodesOn('ann', 'bob');
    const [ann, bob] = nodes as readonly [Node, Node];
    bob.subscribe('t');
    await advance(5);
    pubSub.drop(bob, 't');
    await ann.publish('t', '1');
    pubSub.delayMs = 20;
    ann.beat();
    await advance(200);
    expect(bob.received).toEqual(['1']);
    expect(bob.gaps).toEqual([]);
  });

  it('a repaired frame that is not missing is dropped', async () => {
    const { pubSub, ann, bob } = await pair();
    await ann.publish('t', '2');
    const [first] = pubSub.published.filter(({ channel }) => channel === 't').map(({ bytes }) => bytes);
    bob.subscribe('u');
    for (const channel of ['t', 'u']) {
      const header = Buffer.from(JSON.stringify({ gone: {}, void: {}, unsent: {}, isLast: true, frames: [[channel, first!.length]] }));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(header.length);
      const payload = Buffer.concat([length, header, first!]);
      bob.bus.receive('node=bob', encodeFrame({ kind: KIND.answer, origin: 'ann.1', sequence: 0, payload }));
    }
    expect(bob.received).toEqual(['1', '2']);
  });

  it('a sender that begins again on a channel causes no gap', async () => {
    const { ann, bob } = await pair();
    await ann.publish('busy', ...Array.from({ length: 50 }, (_, i) => `${i}`)); // its sequences are high
    await advance(130_000);
    ann.bus.tick(); // forgets both channels
    await ann.publish('t', '2');
    await advance(10);
    expect(bob.received).toEqual(['1', '2']);
    expect(bob.gaps).toEqual([]);
  });

  it('a missed message with which a sender begins again is repaired', async () => {
    const { pubSub, ann, bob } = await pair();
    await ann.publish('busy', ...Array.from({ length: 50 }, (_, i) => `${i}`));
    await advance(130_000);
    ann.bus.tick();
    pubSub.drop(bob, 't');
    await ann.publish('t', '2', '3');
    await advance(10);
    expect(bob.received).toEqual(['1', '2', '3']);
    expect(bob.gaps).toEqual([]);
  });

  it('missing messages of a lost sender are a gap, and held ones are delivered before the loss is reported', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't');
    pubSub.drop(bob, 'node=bob', { count: 1000 });
    await ann.publish('t', '2', '3');
    bob.lose('ann', 'lease');
    expect(bob.events.slice(-3)).toEqual([
      ['gap', { ...SIZED, lost: 1 }],
      ['received', '3'],
      ['lost', 'ann'],
    ]);
  });

  it('a goodbye claims the last messages', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't', { count: 2 });
    await ann.publish('t', '2', '3');
    await ann.bus.sendGoodbye();
    expect(bob.events.slice(-2)).toEqual([
      ['gap', { ...SIZED, lost: 2 }],
      ['lost', 'ann'],
    ]);
  });

  it('no frame is requested from a sender without copies, and none of its frames are held', async () => {
    const pubSub = new LossyPubSub();
    const [ann, bob] = [new Node(pubSub, 'ann', { repairBytes: 0 }), new Node(pubSub, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.subscribe('t');
    await ann.publish('t', '1');
    pubSub.drop(bob, 't', { count: 2 });
    await ann.publish('t', '2', '3', '4');
    expect(bob.received).toEqual(['1', '4']);
    expect(bob.gaps).toEqual([{ ...SIZED, lost: 2 }]);
    await advance(100);
    expect(pubSub.framesOf(KIND.ask)).toBe(0);
  });
});

describe('a sequence far ahead', () => {
  const frame = (sequence: number, kind: 0 | 2): Buffer =>
    encodeFrame({ kind, origin: 'ann.1', sequence, payload: Buffer.from(`far ${sequence}`) });

  it.each([500_000, 2 ** 47])('a far sequence of a sender with repair does not prevent its later messages: %d', async (sequence) => {
    const { ann, bob } = await pair();
    bob.bus.receive('t', frame(sequence, KIND.keptMessage));
    await advance(10);
    await ann.publish('t', '2', '3');
    await advance(10);
    expect(bob.received).toEqual(['1', '2', '3']);
    expect(bob.gaps).toEqual([SIZED]);
  });

  it.each([5000, 2 ** 47])('a far sequence of a sender without repair does not prevent its later messages: %d', async (sequence) => {
    const pubSub = new LossyPubSub();
    const [ann, bob] = [new Node(pubSub, 'ann', { repairBytes: 0 }), new Node(pubSub, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.subscribe('t');
    await ann.publish('t', '1');
    bob.bus.receive('t', frame(sequence, KIND.message));
    await ann.publish('t', '2', '3');
    expect(bob.received).toEqual(['1', `far ${sequence}`, '2', '3']);
    expect(bob.gaps).toHaveLength(1);
  });

  it('a far sequence in a claim is requested once, and then ignored', async () => {
    const { pubSub, ann, bob } = await pair();
    bob.bus.receive(NOTICES, encodeNotice({ is: 'beat', incarnation: 'ann.1', claims: { t: [1, 2 ** 40] }, repairMs: 10_000 }));
    await advance(1000);
    await ann.publish('t', '2', '3');
    await advance(10);
    expect(bob.received).toEqual(['1', '2', '3']);
    expect(pubSub.framesOf(KIND.ask)).toBe(1);
  });
});

describe('frames of unknown senders', () => {
  it('frames of unknown senders make a node read the leases at most four times a second, and are kept within a bound', async () => {
    const { bob } = await pair();
    const payload = Buffer.alloc(0);
    for (let i = 0; i < 300_000; i++) {
      bob.bus.receive('t', encodeFrame({ kind: KIND.message, origin: `stranger${i}.1`, sequence: 1, payload }));
    }
    await advance(1000);
    expect(bob.events.filter(([name]) => name === 'refresh').length).toBeLessThanOrEqual(5);
    bob.meet('stranger65000');
    bob.meet('stranger299999'); // beyond the bound
    expect(bob.received).toEqual(['1', '']);
  });
});

describe('a request for frames', () => {
  const rangesOf = (count: number, from = 1) => ({ ranges: Array.from({ length: count }, (_, i): Range => [from + 2 * i, from + 2 * i]) });

  it('a request with 2,000 ranges is answered, and one with more is dropped and reported', async () => {
    const { pubSub, ann } = await pair();
    const ask = (payload: Buffer) => ann.bus.receive('node=ann', encodeFrame({ kind: KIND.ask, origin: 'bob.1', sequence: 0, payload }));
    ask(encodeAsk({ t: rangesOf(1000), u: rangesOf(1001) }));
    await advance(10);
    expect(pubSub.framesOf(KIND.answer, 'ann')).toBe(0);
    expect(ann.events).toContainEqual(['deliver', 'invalid_message']);
    ask(encodeAsk({ t: rangesOf(1000), u: rangesOf(1000) }));
    await advance(10);
    expect(pubSub.framesOf(KIND.answer, 'ann')).toBe(1);
  });

  it('requests of a node are merged up to 2,000 ranges of a channel', async () => {
    const read = vi.fn(() => ({ frames: [], gone: [], void: [], unsent: [], next: Number.POSITIVE_INFINITY }));
    const answers = new RepairAnswers({ history: { read }, send: () => Promise.resolve() });
    answers.add('bob', { t: rangesOf(1) }); // answered at once
    for (let i = 0; i < 10; i++) answers.add('bob', { t: rangesOf(2000, 10_000 * i + 2) });
    await advance(10);
    expect(read).toHaveBeenCalledTimes(2001);
  });
});

describe('unreadable input', () => {
  it('100 unreadable values are reported one by one, and further ones once a minute', async () => {
    const report = vi.fn();
    const unreadable = new DecodeErrorReporter(report);
    const readAll = () => {
      for (let i = 0; i < 3000; i++) unreadable.value('key', `field ${i}`);
    };
    for (let times = 0; times < 3; times++) readAll();
    expect(report).toHaveBeenCalledTimes(101);
    await advance(60_000);
    readAll();
    expect(report).toHaveBeenCalledTimes(102);
  });

  it('a notice of more than 1 MiB is dropped before it is parsed', async () => {
    const { bob } = await pair();
    const claims = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`channel ${i}`, [0, 1] as const]));
    bob.bus.receive(NOTICES, encodeNotice({ is: 'beat', incarnation: 'ann.1', claims: { ...claims, t: [1, 2] }, repairMs: 10_000 }));
    await advance(10);
    expect(bob.events).toContainEqual(['deliver', 'invalid_message']);
    expect(bob.events).not.toContainEqual(['received', '2']);
  });

  it.each([
    ['a hub', { hub: 'a\ud83d' }],
    ['a user', { userId: 'a\ud83d' }],
    ['an attribute', { attributes: { 'a\ud83d': 1 } }],
    ['a group', { groups: ['a\ud83d'] }],
  ])('a record is unreadable if the name of %s is invalid', (_what, odd) => {
    const record = { v: 2, hub: 'room', userId: 'ann', attributes: {}, groups: [], connectedAt: 1 };
    expect(decodeRecord('c', JSON.stringify(record))).toBeDefined();
    expect(decodeRecord('c', JSON.stringify({ ...record, ...odd }))).toBeUndefined();
  });

  it('unreadable input is reported once for each kind', async () => {
    const { bob } = await pair();
    for (let i = 0; i < 1000; i++) {
      bob.bus.receive('t', Buffer.from([9]));
      bob.bus.receive('t', Buffer.from([2, 0]));
      bob.bus.receive(NOTICES, Buffer.from('{'));
      bob.bus.receive('node=bob', encodeFrame({ kind: KIND.ask, origin: 'ann.1', sequence: 0, payload: Buffer.from('{"t":{}}') }));
      bob.bus.receive('node=bob', encodeFrame({ kind: KIND.answer, origin: 'ann.1', sequence: 0, payload: Buffer.from('no') }));
    }
    expect(bob.events.filter(([name]) => name === 'deliver')).toEqual([
      ['deliver', 'unsupported_version'],
      ['deliver', 'invalid_message'],
      ['deliver', 'invalid_message'],
    ]);
  });
});
