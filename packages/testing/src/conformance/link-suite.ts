import type { Backplane } from '@hubline/server/backplane';
import { describe, expect } from 'vitest';
import type { BackplaneFixture } from './fixture.ts';
import { testsOf } from './test-cluster.ts';

/** Tests the contract of `Backplane`, `Link` and `LinkObserver`: registration, goodbye, loss and outage. */
export function describeLink<B extends Backplane>(name: string, fixture: BackplaneFixture<B>): void {
  describe(`link: ${name}`, () => {
    const test = testsOf(fixture);

    test('a link opens at once, and is up when it is ready', async (cluster) => {
      const ann = cluster.open('ann');
      expect(['connecting', 'up']).toContain(ann.link.state);
      expect(ann.events).toEqual([]);
      await ann.link.ready();
      expect(ann.link.state).toBe('up');
    });

    test('a link announces every other node once, whether it opened earlier or later', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const sender = cluster.open('sender', false);
      await sender.link.ready();
      await cluster.until(() => ann.eventsAbout(sender).length > 0 && bob.eventsAbout(sender).length > 0);
      await cluster.until(() => sender.eventsAbout(ann).length > 0 && sender.eventsAbout(bob).length > 0);
      for (const node of [ann, bob, sender]) {
        for (const other of [ann, bob, sender]) expect(node.eventsAbout(other)).toEqual(node === other ? [] : ['joined']);
      }
    });

    test('a link MUST announce a node when queries show it, and report its loss when they no longer do', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      expect(await Promise.all(ann.agreements)).not.toContain(false); // before bob leaves the cluster
      await bob.link.close();
      await cluster.until(() => ann.eventsAbout(bob).length > 1);
      const cat = await cluster.node('cat');
      await cluster.until(() => ann.eventsAbout(cat).length > 0 && cat.eventsAbout(ann).length > 0);
      for (const node of [ann, cat]) expect(await Promise.all(node.agreements)).not.toContain(false);
    });

    test.with(
      ['cut', 'heal'],
      'a link MUST agree with queries about the nodes that it announces and reports as lost after an outage',
      async (cluster) => {
        const [ann, bob] = await cluster.pair();
        await cluster.do('cut', ann);
        await cluster.until(() => ann.link.state === 'down');
        const cat = await cluster.node('cat');
        await bob.link.close();
        const before = ann.agreements.length;
        await cluster.do('heal', ann);
        await cluster.until(() => ann.eventsAbout(bob).length > 1 && ann.eventsAbout(cat).length > 0);
        expect(await Promise.all(ann.agreements.slice(before))).not.toContain(false);
      },
    );

    test('a link MUST announce a node before its messages are delivered', async (cluster) => {
      const ann = await cluster.node('ann');
      await ann.subscribe('t').ready;
      const late = cluster.open('late');
      await late.link.ready();
      await late.publish('t', 'hi');
      await cluster.until(() => ann.happened('received'));
      expect(ann.events.map((event) => event.name)).toEqual(['joined', 'received']);
    });

    test('nodes returns every node with its information', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const sender = cluster.open('sender', false);
      await sender.link.ready();
      for (const node of [ann, bob, sender]) {
        const { value, missing } = await node.directory.nodes();
        expect(missing).toEqual([]);
        expect(value).toHaveLength(3);
        expect(value).toEqual(expect.arrayContaining([ann.self, bob.self, sender.self]));
      }
    });

    test('a link that is closed deletes all entries of its process, and the other nodes report the process as lost', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await bob.join('b1', 'chat:all');
      await bob.link.close();
      expect(bob.link.state).toBe('closed');
      expect(await ann.membersOf('chat:all')).toEqual([]);
      expect(await ann.recordOf(bob, 'b1')).toBeUndefined();
      expect((await ann.directory.topics('', { limit: 10 })).value).toEqual([]);
      expect((await ann.directory.nodes()).value).toEqual([ann.self]);
      await cluster.until(() => ann.eventsAbout(bob).length > 1);
      expect(ann.eventsAbout(bob)).toEqual(['joined', expect.stringMatching(/^lost: (goodbye|lease)$/)]);
    });

    test('a link can be closed repeatedly, and before it is ready', async (cluster) => {
      const ann = cluster.open('ann');
      const [ready] = await Promise.allSettled([ann.link.ready(), ann.link.close(), ann.link.close()]);
      await ann.link.close();
      expect(ann.link.state).toBe('closed');
      if (ready.status === 'rejected') expect(ready.reason).toMatchObject({ code: 'backplane_unavailable' });
      const bob = await cluster.node('bob');
      expect((await bob.directory.nodes()).value).toEqual([bob.self]);
    });

    test('a closed link settles every operation', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const pending = ann.join('a1', 't');
      await ann.link.close();
      await pending;
      const { version } = await ann.join('a2', 't');
      expect(version).toBeGreaterThan((await pending).version);
      expect((await ann.directory.nodes()).value).toEqual([ann.self]);
      await (await ann.directory.watch('t')).close();
      expect(await bob.membersOf('t')).toEqual([]);
    });

    test.with(['expire', 'thaw'], 'a link reports the end of a lease once, and announces the process when it returns', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const cat = await cluster.node('cat');
      await cluster.until(() => cat.eventsAbout(bob).length > 0);
      await cluster.do('expire', bob);
      await cluster.until(() => [ann, cat].every((node) => node.eventsAbout(bob).length > 1));
      await cluster.do('thaw', bob);
      await cluster.until(() => [ann, cat].every((node) => node.eventsAbout(bob).length > 2));
      for (const node of [ann, cat]) expect(node.eventsAbout(bob)).toEqual(['joined', 'lost: lease', 'joined']);
      expect(bob.eventsAbout(ann)).toEqual(['joined']);
    });

    test('the goodbye of one of two processes with one nodeId leaves the entries of the other', async (cluster) => {
      const ann = await cluster.node('ann');
      const [one, two] = [await cluster.node('twin'), await cluster.node('twin')];
      await Promise.all([one.join('c1', 't'), two.join('c2', 't'), two.join('shared', 't')]);
      await one.link.close();
      await cluster.until(() => ann.eventsAbout(one).length > 1);
      expect(await ann.membersOf('t')).toEqual(['c2', 'shared']);
      expect(ann.eventsAbout(two)).toEqual(['joined']);
      expect((await ann.directory.nodes()).value).toContainEqual(two.self);
    });

    test.with(
      ['expire', 'thaw'],
      'the ended lease of one of two processes with one nodeId leaves the entries of the other',
      async (cluster) => {
        const ann = await cluster.node('ann');
        const [one, two] = [await cluster.node('twin'), await cluster.node('twin')];
        await Promise.all([one.join('c1', 't'), two.join('c2', 't')]);
        await cluster.until(() => ann.eventsAbout(one).length > 0 && ann.eventsAbout(two).length > 0);
        await cluster.do('expire', two);
        expect(await ann.membersOf('t')).toEqual(['c1']);
        await cluster.until(() => ann.eventsAbout(two).length > 1);
        await one.leave('c1', 't');
        await cluster.do('thaw', two);
        await cluster.until(async () => (await ann.membersOf('t')).includes('c2'));
        expect(await ann.membersOf('t')).toEqual(['c2']);
        await one.link.close();
        await cluster.until(() => ann.eventsAbout(one).length > 1 && ann.eventsAbout(two).length > 2);
        expect(ann.eventsAbout(one)).toEqual(['joined', expect.stringMatching(/^lost: (goodbye|lease)$/)]);
        expect(ann.eventsAbout(two)).toEqual(['joined', 'lost: lease', 'joined']);
      },
    );

    test.with(['cut', 'heal'], 'a link reports when it is down and when it is up again', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await cluster.do('cut', bob);
      await cluster.until(() => bob.link.state === 'down' && bob.happened('down'));
      expect(bob.happened('up')).toBe(false);
      await cluster.do('heal', bob);
      await cluster.until(() => bob.link.state === 'up' && bob.happened('up'));
      expect(bob.events.filter(({ name }) => name === 'down' || name === 'up')).toEqual([{ name: 'down' }, { name: 'up' }]);
      expect(ann.happened('down')).toBe(false);
    });

    test.with(
      ['cut', 'heal'],
      'a link announces a node again whose link was down, because changes of that node were not reported',
      async (cluster) => {
        const [ann, bob] = await cluster.pair();
        await cluster.do('cut', bob);
        await cluster.until(() => bob.link.state === 'down');
        await bob.join('b1', 't');
        await cluster.do('heal', bob);
        await cluster.until(() => ann.eventsAbout(bob).length > 1);
        expect(ann.eventsAbout(bob).at(-1)).toBe('joined');
        expect(await ann.membersOf('t')).toEqual(['b1']);
      },
    );

    test.with(['cut', 'heal'], 'a link that was down reports the nodes that joined and left meanwhile', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      const cat = await cluster.node('cat');
      await cluster.until(() => ann.eventsAbout(cat).length > 0);
      await cluster.do('cut', ann);
      await cluster.until(() => ann.link.state === 'down');
      await bob.link.close();
      const dan = await cluster.node('dan');
      await cluster.do('heal', ann);
      await cluster.until(() => ann.eventsAbout(bob).length > 1 && ann.eventsAbout(dan).length > 0);
      expect(ann.eventsAbout(bob)).toEqual(['joined', expect.stringMatching(/^lost: (goodbye|lease)$/)]);
      expect(ann.eventsAbout(dan)).toEqual(['joined']);
      expect(ann.eventsAbout(cat)).toEqual(['joined']);
    });

    test.with(['cut', 'expire', 'heal'], 'a node registers again when its link is up again after its lease has ended', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await bob.join('b1', 't');
      await cluster.do('cut', bob);
      await cluster.until(() => bob.link.state === 'down');
      await cluster.do('expire', bob);
      expect(await ann.membersOf('t')).toEqual([]);
      await bob.join('b2', 't');
      await cluster.do('heal', bob);
      await cluster.until(async () => (await ann.membersOf('t')).length === 2);
      await cluster.until(() => ann.eventsAbout(bob).length > 2);
      expect(ann.eventsAbout(bob)).toEqual(['joined', 'lost: lease', 'joined']);
    });

    test.with(['freeze'], 'closing the link of a frozen node leaves no entries', async (cluster) => {
      const [ann, bob] = await cluster.pair();
      await bob.join('b1', 't');
      await cluster.do('freeze', bob);
      const flush = bob.join('b2', 't');
      const query = bob.directory.nodes();
      await bob.link.close();
      await Promise.all([flush, query]);
      await cluster.until(() => ann.eventsAbout(bob).length > 1); // the lease ends if the goodbye cannot be sent
      expect(await ann.membersOf('t')).toEqual([]);
    });
  });
}
