import type { Backplane } from '@hubline/server/backplane';
import { describe, expect } from 'vitest';
import type { BackplaneFixture } from './fixture.ts';
import { testsOf } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';

/** Tests the contract of `Bus` and `BusSubscription`: bytes between nodes. */
export function describeBus<B extends Backplane>(name: string, fixture: BackplaneFixture<B>): void {
  describe(`bus: ${name}`, () => {
    const test = testsOf(fixture);

    test('the bus delivers a payload to every other subscribed node, with the process of its sender', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const [cat, dan] = [await cluster.node('cat'), await cluster.node('dan')];
      await Promise.all([bob, cat].map((node) => node.subscribe('chat:all').ready));
      await dan.subscribe('chat:other').ready;
      await ann.publish('chat:all', 'hi');
      await cluster.until(() => bob.received('chat:all').length > 0 && cat.received('chat:all').length > 0);
      expect(bob.received('chat:all', ann.process)).toEqual(['hi']);
      expect(cat.received('chat:all', ann.process)).toEqual(['hi']);
      expect(dan.happened('received')).toBe(false);
    });

    test('the bus MUST NOT deliver to the publishing node', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await Promise.all([ann, bob].map((node) => node.subscribe('t').ready));
      for (const round of ['1', '2', '3']) {
        await ann.publish('t', `ann ${round}`);
        await cluster.until(() => bob.received('t').includes(`ann ${round}`));
        await bob.publish('t', `bob ${round}`);
        await cluster.until(() => ann.received('t').includes(`bob ${round}`));
      }
      expect(ann.received('t')).toEqual(['bob 1', 'bob 2', 'bob 3']);
      expect(bob.received('t')).toEqual(['ann 1', 'ann 2', 'ann 3']);
    });

    test('the bus MUST deliver once and in the order of the calls, for each sender and channel', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const cat = await cluster.node('cat');
      await Promise.all([cat.subscribe('t').ready, cat.subscribe('u').ready]);
      const texts = Array.from({ length: 1000 }, (_, i) => String(i));
      const published = texts.flatMap((text) => [ann.publish('t', text), bob.publish('t', text), ann.publish('u', text)]);
      await Promise.all(published);
      await cluster.until(() => cat.received('t').length >= 2000 && cat.received('u').length >= 1000);
      expect(cat.received('t', ann.process)).toEqual(texts);
      expect(cat.received('t', bob.process)).toEqual(texts);
      expect(cat.received('u')).toEqual(texts);
    });

    test('the bus delivers bytes unchanged: an empty payload, every value, a megabyte', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      const mega = Uint8Array.from({ length: 1_048_576 }, (_, i) => (i * 31 + (i >> 8)) & 255);
      const received: Uint8Array[] = [];
      await bob.bus.subscribe('t', (payload) => received.push(payload)).ready;
      for (const payload of [new Uint8Array(), every, mega, every.subarray(250)]) await ann.bus.publish('t', payload);
      await cluster.until(() => received.length >= 4);
      expect(received.map((payload) => payload.length)).toEqual([0, 256, 1_048_576, 6]);
      expect(received[1]).toSatisfy((payload: Uint8Array) => payload.every((byte, i) => byte === i));
      expect(received[2]).toSatisfy((payload: Uint8Array) => payload.every((byte, i) => byte === mega[i]));
      expect(received[3]).toSatisfy((payload: Uint8Array) => payload.every((byte, i) => byte === 250 + i));
    });

    test('the bus keeps channels apart, also channels with a common prefix or pattern characters', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const channels = ['t', 'T', 't:', 't:a', 't*', '*', '?', 't:(a)', "t:'a'", 't:%2A', `node=${bob.process}`, 't'.repeat(1000)];
      await Promise.all(channels.map((channel) => bob.subscribe(channel).ready));
      await Promise.all(channels.map((channel) => ann.publish(channel, channel)));
      await cluster.until(() => channels.every((channel) => bob.received(channel).length > 0));
      for (const channel of channels) expect(bob.received(channel)).toEqual([channel]);
    });

    test('the bus MUST deliver every message that is published after the ready of its subscription resolved', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      for (let i = 0; i < 50; i++) {
        await bob.subscribe(`t:${i}`).ready;
        void ann.publish(`t:${i}`, 'hi');
      }
      await cluster.until(() => bob.received('t:49').length > 0);
      for (let i = 0; i < 50; i++) await cluster.until(() => bob.received(`t:${i}`).length > 0);
    });

    test('the bus MUST NOT call deliver inside publish or subscribe', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      let inside = false;
      const calls: boolean[] = [];
      const apart = <T>(call: () => T): T => {
        inside = true;
        const result = call();
        inside = false;
        return result;
      };
      await bob.bus.subscribe('t', () => calls.push(inside)).ready;
      const early = apart(() => ann.publish('t', 'to an open subscription'));
      void apart(() => ann.publish('u', 'to a subscription that is being opened'));
      const late = apart(() => bob.bus.subscribe('u', () => calls.push(inside)));
      await Promise.all([early, late.ready]);
      await apart(() => ann.publish('u', 'to the new one'));
      await cluster.until(() => calls.length >= 2);
      expect(calls).not.toContain(true);
    });

    test('the bus does not deliver after a subscription is closed, also no message in flight', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const received: string[] = [];
      const subscription = bob.bus.subscribe('t', (payload) => {
        received.push(new TextDecoder().decode(payload));
        subscription.close();
        subscription.close();
      });
      await subscription.ready;
      await Promise.all(['1', '2', '3'].map((text) => ann.publish('t', text)));
      await cluster.until(() => received.length > 0);
      await bob.subscribe('t').ready;
      await ann.publish('t', 'end');
      await cluster.until(() => bob.received('t').includes('end'));
      expect(received).toEqual(['1']);
    });

    test('the bus does not deliver to a subscription that was closed before it was ready, and its ready settles', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const received: Uint8Array[] = [];
      const subscription = bob.bus.subscribe('t', (payload) => received.push(payload));
      subscription.close();
      await subscription.ready;
      await ann.publish('t', 'hi');
      await bob.subscribe('t').ready;
      await ann.publish('t', 'end');
      await cluster.until(() => bob.received('t').includes('end'));
      expect(received).toEqual([]);
    });

    test('a channel that is subscribed, closed and subscribed again in one turn delivers every message once', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const first = bob.subscribe('t');
      first.close();
      const second = bob.subscribe('t');
      first.close();
      second.close();
      const third = bob.subscribe('t');
      await Promise.all([first.ready, second.ready, third.ready]);
      await Promise.all(['1', '2', '3'].map((text) => ann.publish('t', text)));
      await cluster.until(() => bob.received('t').includes('3'));
      expect(bob.received('t')).toEqual(['1', '2', '3']);
    });

    test('the bus rejects a second subscription to a channel', async (cluster) => {
      const ann = await cluster.node('ann');
      const subscription = ann.subscribe('t');
      expect(() => ann.subscribe('t')).toThrow(expect.objectContaining({ code: 'invalid_option' }));
      subscription.close();
      await ann.subscribe('t').ready;
    });

    test('the bus accepts a payload without a subscriber', async (cluster) => {
      const ann = await cluster.node('ann');
      await expect(ann.publish('t', 'hi')).resolves.toBeUndefined();
    });

    test('the bus reports an error that deliver throws, and delivers the next payload', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const received: string[] = [];
      await bob.bus.subscribe('t', (payload) => {
        received.push(new TextDecoder().decode(payload));
        if (received.length === 1) throw new Error('thrown by deliver');
      }).ready;
      await Promise.all([ann.publish('t', '1'), ann.publish('t', '2')]);
      await cluster.until(() => received.length >= 2);
      expect(bob.events).toContainEqual({ name: 'report', stage: 'deliver' });
    });

    test('the bus delivers between two processes with one nodeId', async (cluster) => {
      const [one, two] = [await cluster.node('ann'), await cluster.node('ann')];
      await Promise.all([one, two].map((node) => node.subscribe('t').ready));
      await Promise.all([one.publish('t', 'from one'), two.publish('t', 'from two')]);
      await cluster.until(() => one.happened('received') && two.happened('received'));
      expect(one.received('t', two.process)).toEqual(['from two']);
      expect(two.received('t', one.process)).toEqual(['from one']);
    });

    test('the bus MUST deliver messages that were published before the link was closed', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await ann.subscribe('t').ready;
      const texts = Array.from({ length: 100 }, (_, i) => String(i));
      const published = Promise.all(texts.map((text) => bob.publish('t', text)));
      await bob.link.close();
      await published;
      await cluster.until(() => ann.received('t').length === texts.length);
      expect(ann.received('t')).toEqual(texts);
    });

    test('the bus delivers nothing and rejects publishes after the link is closed', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const cat = await cluster.node('cat');
      await Promise.all([bob, cat].map((node) => node.subscribe('t').ready));
      const early = ann.publish('t', 'in flight');
      await bob.link.close();
      const before = bob.events.length;
      await early;
      await ann.publish('t', 'after the close');
      await cluster.until(() => cat.received('t').includes('after the close'));
      expect(bob.events.slice(before)).toEqual([]);
      await expectUnavailable(bob);
      await bob.subscribe('u').ready;
    });

    test.with(
      ['freeze', 'thaw'],
      'the bus delivers to a frozen node the messages that were published meanwhile, or reports a gap',
      async (cluster) => {
        const [ann, bob] = await cluster.pair();
        await bob.subscribe('t').ready;
        await cluster.do('freeze', bob);
        await Promise.all(['1', '2', '3'].map((text) => ann.publish('t', text)));
        await cluster.do('thaw', bob);
        await cluster.until(() => bob.received('t').length >= 3 || bob.happened('gap'));
        if (!bob.happened('gap')) expect(bob.received('t')).toEqual(['1', '2', '3']);
      },
    );

    test.with(['expire', 'thaw'], 'the link MUST announce a node that returns before its messages are delivered', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await ann.subscribe('t').ready;
      await cluster.do('expire', bob);
      await cluster.until(() => ann.eventsAbout(bob).includes('lost: lease'));
      await cluster.do('thaw', bob);
      await cluster.until(async () => {
        await bob.publish('t', 'back');
        return ann.happened('received');
      });
      const about = ann.events.filter((event) => 'process' in event && event.process === bob.process).map((event) => event.name);
      expect(about.slice(0, 4)).toEqual(['joined', 'lost', 'joined', 'received']);
    });

    test.with(['cut', 'heal'], 'the bus rejects publishes while the link is down, and publishes when it is up again', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await bob.subscribe('t').ready;
      await cluster.do('cut', ann);
      await cluster.until(() => ann.link.state === 'down');
      await expectUnavailable(ann);
      await cluster.do('heal', ann);
      await cluster.until(() => ann.link.state === 'up');
      await ann.publish('t', 'back');
      await cluster.until(() => bob.received('t').includes('back'));
    });

    test.with(
      ['cut', 'heal'],
      'the bus delivers to a node whose link was down the messages that it missed, or reports a gap',
      async (cluster) => {
        const [ann, bob] = await cluster.pair();
        await bob.subscribe('t').ready;
        await cluster.do('cut', bob);
        await cluster.until(() => bob.link.state === 'down');
        await ann.publish('t', 'missed');
        await cluster.do('heal', bob);
        await cluster.until(() => bob.happened('gap') || bob.received('t').includes('missed'));
        await ann.publish('t', 'back');
        await cluster.until(() => bob.received('t').includes('back'));
      },
    );

    test.with(
      ['cut', 'heal'],
      'ready resolves while the link is down, and the bus subscribes when the link is up again',
      async (cluster) => {
        const [ann, bob] = await cluster.pair();
        await cluster.do('cut', bob);
        await cluster.until(() => bob.link.state === 'down');
        await bob.subscribe('t').ready;
        const closed = bob.subscribe('u');
        closed.close();
        await closed.ready;
        await cluster.do('heal', bob);
        await cluster.until(async () => {
          await Promise.all([ann.publish('t', 'hi'), ann.publish('u', 'hi')]);
          return bob.received('t').includes('hi');
        });
        expect(bob.received('u')).toEqual([]);
      },
    );
  });
}

async function expectUnavailable(node: TestNode): Promise<void> {
  await expect(node.publish('t', 'hi')).rejects.toMatchObject({ code: 'backplane_unavailable' });
}
