import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KIND } from '../src/frame.ts';
import { NOTICES } from '../src/notice.ts';
import { LossyPubSub, useFakeTime, Node, pair, advance, nodesOn } from './repair-nodes.ts';

const SIZED = { channel: 't', ms: expect.any(Number) as number };

beforeEach(useFakeTime);
afterEach(() => {
  vi.useRealTimers();
});

describe('a missed message', () => {
  it('a missed message is repaired before the next one is delivered', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't');
    await ann.publish('t', '2', '3', '4');
    await advance(1);
    expect(bob.received).toEqual(['1', '2', '3', '4']);
    expect(bob.gaps).toEqual([]);
    expect(pubSub.framesOf(KIND.ask)).toBe(1);
  });

  it('a missed message without a next one is repaired after the next heartbeat', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't');
    await ann.publish('t', '2');
    await advance(100);
    expect(bob.received).toEqual(['1']);
    ann.beat();
    await advance(1);
    expect(bob.received).toEqual(['1', '2']);
    ann.beat(); // a claim of received frames causes no request
    await advance(1000);
    expect(pubSub.framesOf(KIND.ask)).toBe(1);
  });

  it('a missed message is repaired after the heartbeat that follows a missed heartbeat', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't');
    await ann.publish('t', '2');
    pubSub.drop(bob, NOTICES);
    ann.beat();
    await advance(5000);
    ann.beat();
    await advance(1);
    expect(bob.received).toEqual(['1', '2']);
  });

  it('a missed message on the channel of a node is claimed there, and nowhere else', async () => {
    const { pubSub, ann, bob } = await pair('node=bob');
    bob.beat(); // ann then knows that bob has repair enabled
    pubSub.drop(bob, 'node=bob');
    await ann.publish('node=bob', '2');
    ann.beat();
    await advance(1);
    expect(bob.received).toEqual(['1', '2']);
    const notices = pubSub.published.filter(({ channel }) => channel === NOTICES).map(({ bytes }) => bytes.toString());
    expect(notices.join()).not.toContain('node=bob');
  });

  it('a missed message is requested again after a missed answer, and is a gap after five seconds of silence', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't');
    pubSub.drop(bob, 'node=bob'); // the first answer
    await ann.publish('t', '2', '3');
    await advance(200);
    expect(bob.received).toEqual(['1']);
    await advance(200);
    expect(bob.received).toEqual(['1', '2', '3']);
    pubSub.drop(bob, 't');
    pubSub.drop(bob, 'node=bob', { count: 1000 });
    await ann.publish('t', '4', '5');
    await advance(4500);
    expect(bob.gaps).toEqual([]);
    await advance(1000);
    expect(bob.received).toEqual(['1', '2', '3', '5']);
    expect(bob.gaps).toEqual([{ ...SIZED, lost: 1 }]);
  });

  it('missed messages are repaired in parts of 64 KiB, each after the acknowledgement of the one before', async () => {
    const { pubSub, ann, bob } = await pair();
    const big = (n: number): string => `${n} `.padEnd(10_000, 'x');
    pubSub.drop(bob, 't', { count: 40 });
    await ann.publish('t', ...Array.from({ length: 41 }, (_, n) => big(n)));
    await advance(1);
    expect(bob.received).toEqual(['1', ...Array.from({ length: 41 }, (_, n) => big(n))]);
    const answers = pubSub.published.filter(({ channel }) => channel === 'node=bob').map(({ bytes }) => bytes.length);
    expect(answers.length).toBeGreaterThan(6);
    expect(Math.max(...answers)).toBeLessThan(70_000);
  });

  it('missed messages older than repairMs are a gap at once, with their number and the time since the last message', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't', { count: 3 });
    await ann.publish('t', '2', '3', '4');
    await advance(11_000);
    await ann.publish('t', '5');
    await advance(1);
    expect(bob.received).toEqual(['1', '5']);
    expect(bob.gaps).toEqual([{ channel: 't', lost: 3, ms: expect.any(Number) as number }]);
    expect((bob.gaps[0] as { ms: number }).ms).toBeGreaterThanOrEqual(11_000);
  });

  it('missed messages beyond repairBytes are a gap', async () => {
    const pubSub = new LossyPubSub();
    const [ann, bob] = [new Node(pubSub, 'ann', { repairBytes: 3000 }), new Node(pubSub, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.subscribe('t');
    await ann.publish('t', '1');
    await advance(0);
    pubSub.drop(bob, 't', { count: 6 });
    await ann.publish('t', ...Array.from({ length: 7 }, (_, n) => `${n}`.padEnd(600, 'x')));
    await advance(1);
    const lost = 7 - (bob.received.length - 1);
    expect(lost).toBeGreaterThan(2);
    expect(bob.gaps).toEqual([{ ...SIZED, lost }]);
  });

  it('a missed message that was refused to its publisher is no gap', async () => {
    const pubSub = new LossyPubSub();
    const [ann, bob] = [new Node(pubSub, 'ann', { onUnavailable: 'reject' }), new Node(pubSub, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.subscribe('t');
    await ann.publish('t', '1');
    await advance(0);
    ann.store.loseNextPublish();
    const refused = ann.bus.publish('t', Buffer.from('2'), { mayWait: true });
    const isRefused = expect(refused).rejects.toMatchObject({ code: 'backplane_unavailable' });
    await advance(0);
    ann.down();
    ann.up();
    await isRefused;
    await advance(12_000); // longer than frames are kept
    await ann.publish('t', '3');
    await advance(1);
    expect(bob.received).toEqual(['1', '3']);
    expect(bob.gaps).toEqual([]);
  });
});

describe('an outage of a link to many senders', () => {
  it('an outage of a link to many senders is followed by the repair of all of them', async () => {
    const { nodes } = nodesOn('bob', ...Array.from({ length: 12 }, (_, i) => `sender-${i}`));
    const [bob, ...senders] = nodes as readonly [Node, ...Node[]];
    bob.subscribe('t');
    for (const sender of senders) await sender.publish('t', 'first');
    bob.down();
    for (const sender of senders) await sender.publish('t', 'missed');
    bob.up();
    await advance(2000);
    expect(bob.received.filter((text) => text === 'missed')).toHaveLength(12);
    expect(bob.gaps).toEqual([]);
  });
});

describe('after an outage of a link', () => {
  it('after an outage of a link all messages are repaired, including the last one, without a gap', async () => {
    const { ann, bob } = await pair();
    bob.down();
    await ann.publish('t', '2', '3');
    await advance(3000);
    bob.up();
    await advance(1);
    expect(bob.received).toEqual(['1', '2', '3']);
    await advance(5000);
    expect(bob.gaps).toEqual([]);
  });

  it('an outage of a link that is longer than repairMs is a gap with its number of messages, also without a next one', async () => {
    const { ann, bob } = await pair();
    const heardAt = performance.now();
    await advance(1000);
    bob.down();
    await ann.publish('t', '2', '3');
    await advance(20_000);
    bob.up();
    await advance(10);
    expect(bob.received).toEqual(['1']);
    expect(bob.gaps).toEqual([{ channel: 't', lost: 2, ms: expect.any(Number) as number }]);
    expect((bob.gaps[0] as { ms: number }).ms).toBeGreaterThanOrEqual(performance.now() - heardAt - 100);
  });

  it('an outage of a link is a gap without a number of messages if a node does not answer', async () => {
    const { pubSub, bob } = await pair();
    await advance(2000);
    bob.down();
    await advance(1000);
    pubSub.drop(bob, NOTICES, { count: 1000 });
    bob.up();
    await advance(1000);
    expect(bob.gaps).toEqual([]);
    await advance(1000);
    expect(bob.gaps).toEqual([{ ms: expect.any(Number) as number }]);
    expect((bob.gaps[0] as { ms: number }).ms).toBeGreaterThanOrEqual(4000);
  });

  it('a node that knows no other node reports a gap after an outage, without a number of messages', async () => {
    const [node] = nodesOn('ann').nodes as readonly [Node];
    await advance(2000);
    node.down();
    await advance(1000);
    expect(node.gaps).toEqual([]);
    node.up();
    await advance(10);
    expect(node.gaps).toEqual([{ ms: expect.any(Number) as number }]);
  });

  it('a node reports no gap while another node is not subscribed again after an outage', async () => {
    const { ann, bob } = await pair();
    await ann.publish('t', '2');
    for (const node of [ann, bob]) node.down();
    bob.unsubscribed.add('ann');
    bob.up();
    await advance(6000);
    expect(bob.gaps).toEqual([]);
    ann.up();
    bob.unsubscribed.delete('ann');
    await advance(1000);
    expect(bob.gaps).toEqual([]);
    expect(bob.received).toEqual(['1', '2']);
  });

  it.each([
    [60, 'a gap without a length', 1],
    [20, 'no gap', 0],
  ])(
    'a request for messages since a subscription that takes %d ms is %s, because the sender may exclude them as older',
    async (ms, _gap, gaps) => {
      const { pubSub, nodes } = nodesOn('ann', 'bob');
      const [ann, bob] = nodes as readonly [Node, Node];
      await advance(10);
      await ann.publish('t', 'before');
      await advance(100);
      bob.subscribe('t'); // bob has received no frame of ann on this channel
      await advance(1000);
      bob.down();
      pubSub.delayMs = ms;
      bob.up();
      await advance(2000);
      expect(pubSub.framesOf(KIND.ask)).toBe(1);
      expect(bob.received).toEqual([]);
      expect(bob.gaps).toHaveLength(gaps);
    },
  );

  it('a process that is lost during an outage of a link is a gap', async () => {
    const { bob } = await pair();
    bob.down();
    bob.up();
    bob.down();
    bob.lose('ann', 'lease');
    bob.up();
    await advance(1);
    expect(bob.gaps).toEqual([{ ms: expect.any(Number) as number }]);
  });

  it('a process that joined, published and left during an outage of a link is a gap', async () => {
    const { pubSub, nodes } = nodesOn('ann', 'bob');
    const [, bob] = nodes as readonly [Node, Node];
    bob.subscribe('t');
    await advance(10);
    bob.down();
    const cat = new Node(pubSub, 'cat');
    cat.up();
    await cat.publish('t', 'hello and goodbye');
    await cat.bus.sendGoodbye();
    await advance(10);
    bob.up();
    await advance(500);
    expect(bob.gaps).toEqual([{ ms: expect.any(Number) as number }]);
  });

  it('a sender keeps its messages during an outage of its own link, however long it is', async () => {
    const { pubSub, ann, bob } = await pair();
    pubSub.drop(bob, 't', { count: 2 });
    await ann.publish('t', '2', '3');
    for (const node of [ann, bob]) node.down();
    await advance(60_000);
    for (const node of [ann, bob]) node.up();
    await advance(10);
    expect(bob.received).toEqual(['1', '2', '3']);
    expect(bob.gaps).toEqual([]);
  });
});
