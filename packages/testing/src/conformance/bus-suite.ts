import type { Backplane } from '@hubline/server/backplane';
import { describe, expect } from 'vitest';
import type { BackplaneFixture } from './fixture.ts';
import { testsOf, type TestNode } from './world.ts';

/** Bytes between nodes: what `Bus` and `BusSubscription` promise. */
export function describeBus<B extends Backplane>(name: string, fixture: BackplaneFixture<B>): void {
  describe(`bus: ${name}`, () => {
    const test = testsOf(fixture);

    test('hands a payload to every other node that is subscribed, with the process it comes from', async (world) => {
      const [ann, bob] = await world.pair();
      const [cat, dan] = [await world.node('cat'), await world.node('dan')];
      await Promise.all([bob, cat].map((node) => node.subscribe('chat:all').ready));
      await dan.subscribe('chat:other').ready;
      await ann.publish('chat:all', 'hi');
      await world.until(() => bob.heard('chat:all').length > 0 && cat.heard('chat:all').length > 0);
      expect(bob.heard('chat:all', ann.process)).toEqual(['hi']);
      expect(cat.heard('chat:all', ann.process)).toEqual(['hi']);
      expect(dan.happened('heard')).toBe(false);
    });

    test('MUST NOT deliver to the publishing node', async (world) => {
      const [ann, bob] = await world.pair();
      await Promise.all([ann, bob].map((node) => node.subscribe('t').ready));
      for (const round of ['1', '2', '3']) {
        await ann.publish('t', `ann ${round}`);
        await world.until(() => bob.heard('t').includes(`ann ${round}`));
        await bob.publish('t', `bob ${round}`);
        await world.until(() => ann.heard('t').includes(`bob ${round}`));
      }
      expect(ann.heard('t')).toEqual(['bob 1', 'bob 2', 'bob 3']);
      expect(bob.heard('t')).toEqual(['ann 1', 'ann 2', 'ann 3']);
    });

    test('MUST deliver in the order of the calls, once, for each sender and channel', async (world) => {
      const [ann, bob] = await world.pair();
      const cat = await world.node('cat');
      await Promise.all([cat.subscribe('t').ready, cat.subscribe('u').ready]);
      const texts = Array.from({ length: 1000 }, (_, i) => String(i));
      const published = texts.flatMap((text) => [ann.publish('t', text), bob.publish('t', text), ann.publish('u', text)]);
      await Promise.all(published);
      await world.until(() => cat.heard('t').length >= 2000 && cat.heard('u').length >= 1000);
      expect(cat.heard('t', ann.process)).toEqual(texts);
      expect(cat.heard('t', bob.process)).toEqual(texts);
      expect(cat.heard('u')).toEqual(texts);
    });

    test('carries bytes as they are: none, every value, a megabyte', async (world) => {
      const [ann, bob] = await world.pair();
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      const mega = Uint8Array.from({ length: 1_048_576 }, (_, i) => (i * 31 + (i >> 8)) & 255);
      const heard: Uint8Array[] = [];
      await bob.bus.subscribe('t', (payload) => heard.push(payload)).ready;
      for (const payload of [new Uint8Array(), every, mega, every.subarray(250)]) await ann.bus.publish('t', payload);
      await world.until(() => heard.length >= 4);
      expect(heard.map((payload) => payload.length)).toEqual([0, 256, 1_048_576, 6]);
      expect(heard[1]).toSatisfy((payload: Uint8Array) => payload.every((byte, i) => byte === i));
      expect(heard[2]).toSatisfy((payload: Uint8Array) => payload.every((byte, i) => byte === mega[i]));
      expect(heard[3]).toSatisfy((payload: Uint8Array) => payload.every((byte, i) => byte === 250 + i));
    });

    test('keeps channels apart, also where one begins like another or looks like a pattern', async (world) => {
      const [ann, bob] = await world.pair();
      const channels = ['t', 'T', 't:', 't:a', 't*', '*', '?', 't:(a)', "t:'a'", 't:%2A', `node=${bob.process}`, 't'.repeat(1000)];
      await Promise.all(channels.map((channel) => bob.subscribe(channel).ready));
      await Promise.all(channels.map((channel) => ann.publish(channel, channel)));
      await world.until(() => channels.every((channel) => bob.heard(channel).length > 0));
      for (const channel of channels) expect(bob.heard(channel)).toEqual([channel]);
    });

    test('MUST deliver everything that is published after ready resolved', async (world) => {
      const [ann, bob] = await world.pair();
      for (let i = 0; i < 50; i++) {
        await bob.subscribe(`t:${i}`).ready;
        void ann.publish(`t:${i}`, 'hi');
      }
      await world.until(() => bob.heard('t:49').length > 0);
      for (let i = 0; i < 50; i++) await world.until(() => bob.heard(`t:${i}`).length > 0);
    });

    test('MUST NOT call deliver inside publish or subscribe', async (world) => {
      const [ann, bob] = await world.pair();
      let inside = false;
      const calls: boolean[] = [];
      const apart = <T>(call: () => T): T => {
        inside = true;
        const result = call();
        inside = false;
        return result;
      };
      await bob.bus.subscribe('t', () => calls.push(inside)).ready;
      const early = apart(() => ann.publish('t', 'to a subscription that is there'));
      void apart(() => ann.publish('u', 'to one that is just being made'));
      const late = apart(() => bob.bus.subscribe('u', () => calls.push(inside)));
      await Promise.all([early, late.ready]);
      await apart(() => ann.publish('u', 'to the new one'));
      await world.until(() => calls.length >= 2);
      expect(calls).not.toContain(true);
    });

    test('does not deliver after a subscription is closed, not even what was already on its way', async (world) => {
      const [ann, bob] = await world.pair();
      const heard: string[] = [];
      const subscription = bob.bus.subscribe('t', (payload) => {
        heard.push(new TextDecoder().decode(payload));
        subscription.close();
        subscription.close();
      });
      await subscription.ready;
      await Promise.all(['1', '2', '3'].map((text) => ann.publish('t', text)));
      await world.until(() => heard.length > 0);
      await bob.subscribe('t').ready;
      await ann.publish('t', 'end');
      await world.until(() => bob.heard('t').includes('end'));
      expect(heard).toEqual(['1']);
    });

    test('does not deliver to a subscription that was closed before it was ready, and its ready settles', async (world) => {
      const [ann, bob] = await world.pair();
      const heard: Uint8Array[] = [];
      const subscription = bob.bus.subscribe('t', (payload) => heard.push(payload));
      subscription.close();
      await subscription.ready;
      await ann.publish('t', 'hi');
      await bob.subscribe('t').ready;
      await ann.publish('t', 'end');
      await world.until(() => bob.heard('t').includes('end'));
      expect(heard).toEqual([]);
    });

    test('subscribes, unsubscribes and subscribes in one turn, and then hears everything once', async (world) => {
      const [ann, bob] = await world.pair();
      const first = bob.subscribe('t');
      first.close();
      const second = bob.subscribe('t');
      first.close();
      second.close();
      const third = bob.subscribe('t');
      await Promise.all([first.ready, second.ready, third.ready]);
      await Promise.all(['1', '2', '3'].map((text) => ann.publish('t', text)));
      await world.until(() => bob.heard('t').includes('3'));
      expect(bob.heard('t')).toEqual(['1', '2', '3']);
    });

    test('refuses a second subscription of a channel', async (world) => {
      const ann = await world.node('ann');
      const subscription = ann.subscribe('t');
      expect(() => ann.subscribe('t')).toThrow(expect.objectContaining({ code: 'invalid_option' }));
      subscription.close();
      await ann.subscribe('t').ready;
    });

    test('takes a payload that nobody wants', async (world) => {
      const ann = await world.node('ann');
      await expect(ann.publish('t', 'hi')).resolves.toBeUndefined();
    });

    test('reports a deliver that throws, and delivers the next payload', async (world) => {
      const [ann, bob] = await world.pair();
      const heard: string[] = [];
      await bob.bus.subscribe('t', (payload) => {
        heard.push(new TextDecoder().decode(payload));
        if (heard.length === 1) throw new Error('thrown by deliver');
      }).ready;
      await Promise.all([ann.publish('t', '1'), ann.publish('t', '2')]);
      await world.until(() => heard.length >= 2);
      expect(bob.events).toContainEqual({ name: 'report', stage: 'deliver' });
    });

    test('delivers between two processes with one nodeId', async (world) => {
      const [one, two] = [await world.node('ann'), await world.node('ann')];
      await Promise.all([one, two].map((node) => node.subscribe('t').ready));
      await Promise.all([one.publish('t', 'from one'), two.publish('t', 'from two')]);
      await world.until(() => one.happened('heard') && two.happened('heard'));
      expect(one.heard('t', two.process)).toEqual(['from two']);
      expect(two.heard('t', one.process)).toEqual(['from one']);
    });

    test('MUST deliver what was published before the link was closed', async (world) => {
      const [ann, bob] = await world.pair();
      await ann.subscribe('t').ready;
      const texts = Array.from({ length: 100 }, (_, i) => String(i));
      const published = Promise.all(texts.map((text) => bob.publish('t', text)));
      await bob.link.close();
      await published;
      await world.until(() => ann.heard('t').length === texts.length);
      expect(ann.heard('t')).toEqual(texts);
    });

    test('delivers nothing and refuses to publish after the link is closed', async (world) => {
      const [ann, bob] = await world.pair();
      const cat = await world.node('cat');
      await Promise.all([bob, cat].map((node) => node.subscribe('t').ready));
      const early = ann.publish('t', 'on its way');
      await bob.link.close();
      const before = bob.events.length;
      await early;
      await ann.publish('t', 'too late');
      await world.until(() => cat.heard('t').includes('too late'));
      expect(bob.events.slice(before)).toEqual([]);
      await expectUnavailable(bob);
      await bob.subscribe('u').ready;
    });

    test.with(['freeze', 'thaw'], 'delivers to a node that was frozen what was published meanwhile, or reports a gap', async (world) => {
      const [ann, bob] = await world.pair();
      await bob.subscribe('t').ready;
      await world.do('freeze', bob);
      await Promise.all(['1', '2', '3'].map((text) => ann.publish('t', text)));
      await world.do('thaw', bob);
      await world.until(() => bob.heard('t').length >= 3 || bob.happened('gap'));
      if (!bob.happened('gap')) expect(bob.heard('t')).toEqual(['1', '2', '3']);
    });

    test.with(['expire', 'thaw'], 'MUST announce a node that comes back before anything it sends is delivered', async (world) => {
      const [ann, bob] = await world.pair();
      await ann.subscribe('t').ready;
      await world.do('expire', bob);
      await world.until(() => ann.toldOf(bob).includes('lost: lease'));
      await world.do('thaw', bob);
      await world.until(async () => {
        await bob.publish('t', 'back');
        return ann.happened('heard');
      });
      const about = ann.events.filter((event) => 'process' in event && event.process === bob.process).map((event) => event.name);
      expect(about.slice(0, 4)).toEqual(['joined', 'lost', 'joined', 'heard']);
    });

    test.with(['cut', 'heal'], 'refuses to publish while the link is down, and publishes when it is back', async (world) => {
      const [ann, bob] = await world.pair();
      await bob.subscribe('t').ready;
      await world.do('cut', ann);
      await world.until(() => ann.link.state === 'down');
      await expectUnavailable(ann);
      await world.do('heal', ann);
      await world.until(() => ann.link.state === 'up');
      await ann.publish('t', 'back');
      await world.until(() => bob.heard('t').includes('back'));
    });

    test.with(['cut', 'heal'], 'delivers to a node whose link was down what it missed, or reports a gap', async (world) => {
      const [ann, bob] = await world.pair();
      await bob.subscribe('t').ready;
      await world.do('cut', bob);
      await world.until(() => bob.link.state === 'down');
      await ann.publish('t', 'missed');
      await world.do('heal', bob);
      await world.until(() => bob.happened('gap') || bob.heard('t').includes('missed'));
      await ann.publish('t', 'back');
      await world.until(() => bob.heard('t').includes('back'));
    });

    test.with(['cut', 'heal'], 'resolves ready while the link is down, and subscribes when it is back', async (world) => {
      const [ann, bob] = await world.pair();
      await world.do('cut', bob);
      await world.until(() => bob.link.state === 'down');
      await bob.subscribe('t').ready;
      const closed = bob.subscribe('u');
      closed.close();
      await closed.ready;
      await world.do('heal', bob);
      await world.until(async () => {
        await Promise.all([ann.publish('t', 'hi'), ann.publish('u', 'hi')]);
        return bob.heard('t').includes('hi');
      });
      expect(bob.heard('u')).toEqual([]);
    });
  });
}

async function expectUnavailable(node: TestNode): Promise<void> {
  await expect(node.publish('t', 'hi')).rejects.toMatchObject({ code: 'backplane_unavailable' });
}
