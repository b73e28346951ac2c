import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KIND } from '../src/frame.ts';
import { NOTICES } from '../src/notice.ts';
import { Air, fakeTime, Node, pair, passed, worldOf } from './repair-nodes.ts';

const SIZED = { channel: 't', ms: expect.any(Number) as number };

beforeEach(fakeTime);
afterEach(() => {
  vi.useRealTimers();
});

describe('a missed message', () => {
  it('a missed message is repaired before the next one is delivered', async () => {
    const { air, ann, bob } = await pair();
    air.lose(bob, 't');
    await ann.say('t', '2', '3', '4');
    await passed(1);
    expect(bob.heard).toEqual(['1', '2', '3', '4']);
    expect(bob.gaps).toEqual([]);
    expect(air.framesOf(KIND.ask)).toBe(1);
  });

  it('a missed message without a next one is repaired after the next heartbeat', async () => {
    const { air, ann, bob } = await pair();
    air.lose(bob, 't');
    await ann.say('t', '2');
    await passed(100);
    expect(bob.heard).toEqual(['1']);
    ann.beat();
    await passed(1);
    expect(bob.heard).toEqual(['1', '2']);
    ann.beat(); // claims that are heard already ask for nothing
    await passed(1000);
    expect(air.framesOf(KIND.ask)).toBe(1);
  });

  it('a missed message is repaired after the heartbeat that follows a missed heartbeat', async () => {
    const { air, ann, bob } = await pair();
    air.lose(bob, 't');
    await ann.say('t', '2');
    air.lose(bob, NOTICES);
    ann.beat();
    await passed(5000);
    ann.beat();
    await passed(1);
    expect(bob.heard).toEqual(['1', '2']);
  });

  it('a missed message on the channel of a node is claimed there, and nowhere else', async () => {
    const { air, ann, bob } = await pair('node=bob');
    bob.beat(); // so that it is known to repair
    air.lose(bob, 'node=bob');
    await ann.say('node=bob', '2');
    ann.beat();
    await passed(1);
    expect(bob.heard).toEqual(['1', '2']);
    const notices = air.published.filter(({ channel }) => channel === NOTICES).map(({ bytes }) => bytes.toString());
    expect(notices.join()).not.toContain('node=bob');
  });

  it('a missed message is requested again after a missed answer, and is a gap after five seconds of silence', async () => {
    const { air, ann, bob } = await pair();
    air.lose(bob, 't');
    air.lose(bob, 'node=bob'); // the first answer
    await ann.say('t', '2', '3');
    await passed(200);
    expect(bob.heard).toEqual(['1']);
    await passed(200);
    expect(bob.heard).toEqual(['1', '2', '3']);
    air.lose(bob, 't');
    air.lose(bob, 'node=bob', { count: 1000 });
    await ann.say('t', '4', '5');
    await passed(4500);
    expect(bob.gaps).toEqual([]);
    await passed(1000);
    expect(bob.heard).toEqual(['1', '2', '3', '5']);
    expect(bob.gaps).toEqual([{ ...SIZED, lost: 1 }]);
  });

  it('missed messages are repaired in parts of 64 KiB, each after the acknowledgement of the one before', async () => {
    const { air, ann, bob } = await pair();
    const big = (n: number): string => `${n} `.padEnd(10_000, 'x');
    air.lose(bob, 't', { count: 40 });
    await ann.say('t', ...Array.from({ length: 41 }, (_, n) => big(n)));
    await passed(1);
    expect(bob.heard).toEqual(['1', ...Array.from({ length: 41 }, (_, n) => big(n))]);
    const answers = air.published.filter(({ channel }) => channel === 'node=bob').map(({ bytes }) => bytes.length);
    expect(answers.length).toBeGreaterThan(6);
    expect(Math.max(...answers)).toBeLessThan(70_000);
  });

  it('missed messages older than repairMs are a gap at once, with their number and the time since the last message', async () => {
    const { air, ann, bob } = await pair();
    air.lose(bob, 't', { count: 3 });
    await ann.say('t', '2', '3', '4');
    await passed(11_000);
    await ann.say('t', '5');
    await passed(1);
    expect(bob.heard).toEqual(['1', '5']);
    expect(bob.gaps).toEqual([{ channel: 't', lost: 3, ms: expect.any(Number) as number }]);
    expect((bob.gaps[0] as { ms: number }).ms).toBeGreaterThanOrEqual(11_000);
  });

  it('missed messages beyond repairBytes are a gap', async () => {
    const air = new Air();
    const [ann, bob] = [new Node(air, 'ann', { repairBytes: 3000 }), new Node(air, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.hear('t');
    await ann.say('t', '1');
    await passed(0);
    air.lose(bob, 't', { count: 6 });
    await ann.say('t', ...Array.from({ length: 7 }, (_, n) => `${n}`.padEnd(600, 'x')));
    await passed(1);
    const lost = 7 - (bob.heard.length - 1);
    expect(lost).toBeGreaterThan(2);
    expect(bob.gaps).toEqual([{ ...SIZED, lost }]);
  });

  it('a missed message that was refused to its publisher is no gap', async () => {
    const air = new Air();
    const [ann, bob] = [new Node(air, 'ann', { onUnavailable: 'reject' }), new Node(air, 'bob')];
    for (const node of [ann, bob]) node.up();
    bob.hear('t');
    await ann.say('t', '1');
    await passed(0);
    vi.spyOn(air, 'publish').mockImplementationOnce(() => new Promise(() => undefined)); // it is not answered
    const refused = ann.bus.publish('t', Buffer.from('2'), { mayWait: true });
    const isRefused = expect(refused).rejects.toMatchObject({ code: 'backplane_unavailable' });
    await passed(0);
    ann.down();
    ann.up();
    await isRefused;
    await passed(12_000); // longer than frames are kept
    await ann.say('t', '3');
    await passed(1);
    expect(bob.heard).toEqual(['1', '3']);
    expect(bob.gaps).toEqual([]);
  });
});

describe('an outage of a link to many senders', () => {
  it('an outage of a link to many senders is followed by the repair of all of them', async () => {
    const { nodes } = worldOf('bob', ...Array.from({ length: 12 }, (_, i) => `sender-${i}`));
    const [bob, ...senders] = nodes as readonly [Node, ...Node[]];
    bob.hear('t');
    for (const sender of senders) await sender.say('t', 'first');
    bob.down();
    for (const sender of senders) await sender.say('t', 'missed');
    bob.up();
    await passed(2000);
    expect(bob.heard.filter((text) => text === 'missed')).toHaveLength(12);
    expect(bob.gaps).toEqual([]);
  });
});

describe('after an outage of a link', () => {
  it('after an outage of a link all messages are repaired, including the last one, without a gap', async () => {
    const { ann, bob } = await pair();
    bob.down();
    await ann.say('t', '2', '3');
    await passed(3000);
    bob.up();
    await passed(1);
    expect(bob.heard).toEqual(['1', '2', '3']);
    await passed(5000);
    expect(bob.gaps).toEqual([]);
  });

  it('an outage of a link that is longer than repairMs is a gap with its number of messages, also without a next one', async () => {
    const { ann, bob } = await pair();
    const heardAt = performance.now();
    await passed(1000);
    bob.down();
    await ann.say('t', '2', '3');
    await passed(20_000);
    bob.up();
    await passed(10);
    expect(bob.heard).toEqual(['1']);
    expect(bob.gaps).toEqual([{ channel: 't', lost: 2, ms: expect.any(Number) as number }]);
    expect((bob.gaps[0] as { ms: number }).ms).toBeGreaterThanOrEqual(performance.now() - heardAt - 100);
  });

  it('an outage of a link is a gap without a number of messages if a node does not answer', async () => {
    const { air, bob } = await pair();
    await passed(2000);
    bob.down();
    await passed(1000);
    air.lose(bob, NOTICES, { count: 1000 });
    bob.up();
    await passed(1000);
    expect(bob.gaps).toEqual([]);
    await passed(1000);
    expect(bob.gaps).toEqual([{ ms: expect.any(Number) as number }]);
    expect((bob.gaps[0] as { ms: number }).ms).toBeGreaterThanOrEqual(4000);
  });

  it('a node that is not subscribed again after an outage is waited for', async () => {
    const { ann, bob } = await pair();
    await ann.say('t', '2');
    for (const node of [ann, bob]) node.down();
    bob.unsubscribed.add('ann');
    bob.up();
    await passed(6000);
    expect(bob.gaps).toEqual([]);
    ann.up();
    bob.unsubscribed.delete('ann');
    await passed(1000);
    expect(bob.gaps).toEqual([]);
    expect(bob.heard).toEqual(['1', '2']);
  });

  it.each([
    [60, 'a gap without a length', 1],
    [20, 'no gap', 0],
  ])(
    'a request for messages since a subscription that takes %d ms is %s, because the sender may exclude them as older',
    async (ms, _gap, gaps) => {
      const { air, nodes } = worldOf('ann', 'bob');
      const [ann, bob] = nodes as readonly [Node, Node];
      await passed(10);
      await ann.say('t', 'before');
      await passed(100);
      bob.hear('t'); // and nothing tells whether it was there already
      await passed(1000);
      bob.down();
      air.delayMs = ms;
      bob.up();
      await passed(2000);
      expect(air.framesOf(KIND.ask)).toBe(1);
      expect(bob.heard).toEqual([]);
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
    await passed(1);
    expect(bob.gaps).toEqual([{ ms: expect.any(Number) as number }]);
  });

  it('a process that joined, published and left during an outage of a link is a gap', async () => {
    const { air, nodes } = worldOf('ann', 'bob');
    const [, bob] = nodes as readonly [Node, Node];
    bob.hear('t');
    await passed(10);
    bob.down();
    const cat = new Node(air, 'cat');
    cat.up();
    await cat.say('t', 'hello and goodbye');
    await cat.bus.goodbye();
    await passed(10);
    bob.up();
    await passed(500);
    expect(bob.gaps).toEqual([{ ms: expect.any(Number) as number }]);
  });

  it('a sender keeps its messages during an outage of its own link, however long it is', async () => {
    const { air, ann, bob } = await pair();
    air.lose(bob, 't', { count: 2 });
    await ann.say('t', '2', '3');
    for (const node of [ann, bob]) node.down();
    await passed(60_000);
    for (const node of [ann, bob]) node.up();
    await passed(10);
    expect(bob.heard).toEqual(['1', '2', '3']);
    expect(bob.gaps).toEqual([]);
  });
});
