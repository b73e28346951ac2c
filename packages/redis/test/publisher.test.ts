import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { History } from '../src/history.ts';
import { settingsFrom, type RedisBackplaneOptions } from '../src/options.ts';
import { Publisher, type PublisherOptions } from '../src/publisher.ts';
import type { Publishing } from '../src/store.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const waits = { mayWait: true };

const historyWith = (options: RedisBackplaneOptions): History =>
  new History({ registration: { session: { incarnation: 'ann.1' } }, settings: settingsFrom(options) });

interface Conditions {
  readonly isSingleRedis?: boolean;
  readonly isAvailable?: () => boolean;
  readonly mustWait?: () => boolean;
}

/** Makes a publisher whose batches the test acknowledges. */
function publisherOn(
  options: RedisBackplaneOptions = {},
  { isSingleRedis = true, isAvailable = () => true, mustWait = () => false, ...parts }: Partial<PublisherOptions> & Conditions = {},
) {
  const trips: { readonly posts: readonly Publishing[]; readonly answer: () => void }[] = [];
  const settings = settingsFrom(options);
  const history = historyWith(options);
  const publisher = new Publisher({
    store: {
      isSingleRedis,
      tagOf: (key) => key.slice(0, 1),
      ping: () => Promise.resolve(),
      publish: (posts) => new Promise((resolve) => trips.push({ posts, answer: () => resolve(posts.map(() => undefined)) })),
    },
    self: { nodeId: 'ann', process: 'ann', app: 'test', accepts: true, startedAt: 0 },
    keys: { channel: (name) => name },
    settings,
    availability: { hasChannel: isAvailable },
    history,
    peers: { mustWait },
    events: { commandFailed: () => undefined },
    ...parts,
  });
  return { publisher, trips, history };
}

describe('a publisher', () => {
  it('a publisher keeps no memory of turns in which it published', async () => {
    const { publisher, trips } = publisherOn({ repairBytes: 0 });
    publisher.up();
    const turn = async (): Promise<void> => {
      const sent = publisher.publish('t', Buffer.from('x'), waits);
      await endOfTurn();
      trips.pop()?.answer();
      await sent;
    };
    for (let i = 0; i < 20_000; i++) await turn();
    const before = heapInUse();
    for (let i = 0; i < 100_000; i++) await turn();
    expect(heapInUse() - before).toBeLessThan(2 ** 20); // 64 bytes a turn would be 6.4 MB
  });

  it('a publisher sends waiting messages to each shard in order, in batches of 256 KiB, each after an acknowledgement', async () => {
    let mustWait = true;
    const { publisher, trips } = publisherOn({}, { mustWait: () => mustWait });
    publisher.up();
    const payload = Buffer.alloc(10_000);
    const sent = Array.from({ length: 100 }, (_, i) => publisher.publish(i % 2 === 0 ? 'a' : 'b', payload, waits));
    await endOfTurn();
    expect(trips).toEqual([]);
    mustWait = false;
    publisher.schedule();
    await endOfTurn();
    expect(trips.map(({ posts }) => posts[0]?.[0])).toEqual(['a', 'b']);
    const later = publisher.publish('a', Buffer.from('later'), waits); // waits behind the other messages
    const frames: Buffer[] = [];
    while (trips.length > 0) {
      const trip = trips.shift();
      const bytes = trip?.posts.reduce((sum, [, frame]) => sum + frame.length, 0);
      expect(bytes).toBeLessThan(256 * 1024);
      if (trip?.posts[0]?.[0] === 'a') frames.push(...trip.posts.map(([, frame]) => frame));
      trip?.answer();
      await endOfTurn();
      expect(trips.filter(({ posts }) => posts[0]?.[0] === 'a').length).toBeLessThanOrEqual(1);
    }
    await Promise.all([...sent, later]);
    expect(frames.map((frame) => frame.readUIntBE(2, 6))).toEqual(Array.from({ length: 51 }, (_, i) => frames[0]!.readUIntBE(2, 6) + i));
    expect(frames.at(-1)?.toString('latin1')).toContain('later');
  });

  it('a publisher sends messages that were published during a batch to a shard of a Redis Cluster with the next one', async () => {
    const { publisher, trips } = publisherOn({}, { isSingleRedis: false });
    publisher.up();
    const sent: Promise<void>[] = [];
    for (let turn = 0; turn < 50; turn++) {
      for (const channel of ['a1', 'a2', 'b']) sent.push(publisher.publish(channel, Buffer.from('x'), waits));
      await endOfTurn();
    }
    const channels = (): readonly (readonly string[])[] => trips.splice(0).map(({ posts, answer }) => (answer(), posts.map(([to]) => to)));
    expect(channels()).toEqual([['a1', 'a2'], ['b']]);
    await endOfTurn();
    const rest = Array.from({ length: 49 }, () => ['a1', 'a2']).flat();
    expect(channels()).toEqual([rest, rest.filter((to) => to === 'a1').map(() => 'b')]);
    await Promise.all(sent);
    expect(trips).toEqual([]);
  });

  describe('the option replaces', () => {
    const keyed = (key: string) => ({ mayWait: true, replaces: key });
    const texts = (posts: readonly Publishing[]): readonly string[] =>
      posts.map(([, frame]) => frame.toString('latin1').split(' ').slice(-2).join(' '));

    it.each([
      ['during an outage', 'isAvailable'],
      ['for nodes to subscribe again', 'mustWait'],
    ] as const)(
      'the option replaces sends only the latest message of those that waited %s, and resolves the others',
      async (_when, reason) => {
        let waitsStill = true;
        const isFree = reason === 'isAvailable' ? { isAvailable: () => !waitsStill } : { mustWait: () => waitsStill };
        const { publisher, trips } = publisherOn({}, isFree);
        publisher.up();
        const drawn = [0, 1, 2].map((i) => publisher.publish('t', Buffer.from(` drawn ${i}`), waits));
        const moved = [0, 1, 2, 3].map((i) => publisher.publish('t', Buffer.from(` ann ${i}`), keyed('ann')));
        const other = publisher.publish('t', Buffer.from(' bob 7'), keyed('bob'));
        const late = publisher.publish('t', Buffer.from(' drawn 3'), waits);
        const last = publisher.publish('t', Buffer.from(' ann 4'), keyed('ann'));
        const elsewhere = publisher.publish('u', Buffer.from(' ann 9'), keyed('ann'));
        await Promise.all(moved); // replaced, while the others wait
        expect(trips).toEqual([]);
        waitsStill = false;
        publisher.up();
        await endOfTurn();
        const sent = trips.flatMap(({ posts }) => texts(posts));
        expect(sent).toEqual(['drawn 0', 'drawn 1', 'drawn 2', 'bob 7', 'drawn 3', 'ann 4', 'ann 9']);
        for (const { answer } of trips) answer();
        await Promise.all([...drawn, other, late, last, elsewhere]);
      },
    );

    it('the option replaces affects messages that wait for a full batch, and none that are sent at the end of their turn', async () => {
      const { publisher, trips } = publisherOn();
      publisher.up();
      const sent = [
        ...[1, 2].map((i) => publisher.publish('t', Buffer.from(` ann ${i}`), keyed('ann'))),
        ...[1, 2].map(() => publisher.publish('t', Buffer.from('x'.repeat(200_000) + ' large x'), waits)),
      ];
      await endOfTurn();
      for (let i = 3; i < 300; i++) {
        sent.push(publisher.publish('t', Buffer.from(` ann ${i}`), keyed('ann')));
        if (i % 7 === 0) await endOfTurn();
      }
      const frames: string[] = [];
      for (let trip = trips.shift(); trip; trip = trips.shift()) {
        frames.push(...texts(trip.posts));
        trip.answer();
        await endOfTurn();
        await endOfTurn();
      }
      await Promise.all(sent);
      expect(frames).toEqual(['ann 1', 'ann 2', 'large x', 'large x', 'ann 299']);
    });

    it('the option replaces keeps a message whose frame was sent before the outage', async () => {
      let isDown = false;
      const { publisher, trips } = publisherOn({}, { isAvailable: () => !isDown });
      publisher.up();
      const sent = [publisher.publish('t', Buffer.from(' ann 1'), keyed('ann'))];
      await endOfTurn();
      isDown = true;
      publisher.down();
      for (const i of [2, 3]) {
        sent.push(publisher.publish('t', Buffer.from(` ann ${i}`), keyed('ann')));
        publisher.schedule();
        await endOfTurn();
      }
      isDown = false;
      publisher.up();
      await endOfTurn();
      expect(trips.map(({ posts }) => texts(posts))).toEqual([['ann 1'], ['ann 1', 'ann 3']]);
      for (const { answer } of trips) answer();
      await Promise.all(sent);
    });

    it('the option replaces bounds the waiting messages to one per key', async () => {
      const { publisher, trips } = publisherOn({ onUnavailable: { bufferBytes: 1000 } }, { isAvailable: () => trips.length > 0 });
      publisher.up();
      const sent = Array.from({ length: 100_000 }, (_, i) => publisher.publish('t', Buffer.from(` ann ${i}`), keyed('ann')));
      await expect(Promise.race([Promise.all(sent.slice(0, -1)), sent.at(-1)])).resolves.toHaveLength(99_999);
      await publisher.close().catch(() => undefined);
      await expect(sent.at(-1)).rejects.toMatchObject({ code: 'backplane_unavailable' });
    });
  });

  it.each([
    ['has read the last one', undefined],
    ['has failed', new Error('The connection to Redis was lost.')],
  ])("a publisher sends the next batch when this node's own subscriber %s", async (_when, error) => {
    const pings: { readonly answer: () => void }[] = [];
    const acknowledged: number[] = [];
    const ping = (): Promise<void> => new Promise((resolve, reject) => pings.push({ answer: () => (error ? reject(error) : resolve()) }));
    const publish = (posts: readonly Publishing[]): Promise<undefined[]> => {
      acknowledged.push(posts.length);
      return Promise.resolve(posts.map(() => undefined));
    };
    const { publisher } = publisherOn({}, { store: { isSingleRedis: true, tagOf: () => 't', publish, ping } });
    publisher.up();
    const sent = Array.from({ length: 3 }, () => publisher.publish('t', Buffer.alloc(200_000), waits));
    for (const trips of [1, 2]) {
      await vi.waitFor(() => expect(pings.length).toBe(trips));
      expect(acknowledged.length).toBe(trips);
      pings.at(-1)?.answer();
    }
    await Promise.all(sent);
    expect(acknowledged).toEqual([1, 1, 1]);
    expect(pings.length).toBe(2);
  });

  it('a publisher sends a message of more than 256 KiB in a batch of its own', async () => {
    const { publisher, trips } = publisherOn();
    publisher.up();
    const sent = [600_000, 600_000].map((length) => publisher.publish('t', Buffer.alloc(length), waits));
    await endOfTurn();
    expect(trips.map(({ posts }) => posts.length)).toEqual([1]);
    trips.shift()?.answer();
    await endOfTurn();
    trips.shift()?.answer();
    await Promise.all(sent);
  });

  it('a publisher that is closed sends all messages first, in batches', async () => {
    const { publisher, trips } = publisherOn();
    publisher.up();
    const sent = Array.from({ length: 100 }, () => publisher.publish('t', Buffer.alloc(10_000), waits));
    const closed = publisher.close();
    for (let i = 0; i < 10; i++) {
      await endOfTurn();
      trips.shift()?.answer();
    }
    await closed;
    await Promise.all(sent);
  });

  it.each([
    ['before the first connection', {}, false],
    ['for nodes to subscribe again', { mustWait: () => true }, true],
    ['while the channel is unavailable', { isAvailable: () => false }, true],
  ])('a publisher bounds the memory of messages that wait %s', async (_when, parts, isUp) => {
    const { publisher } = publisherOn({ onUnavailable: { bufferBytes: 1_000_000 } }, parts);
    if (isUp) publisher.up();
    const payload = Buffer.alloc(1);
    let refused = 0;
    const before = heapInUse();
    for (let i = 0; i < 100_000; i++) publisher.publish('t', payload, waits).catch(() => refused++);
    await endOfTurn();
    expect(100_000 - refused).toBe(Math.floor(1_000_000 / 257));
    expect(heapInUse() - before).toBeLessThan(5_000_000);
  });
});

describe('a history', () => {
  it('a history of small frames takes no more memory than it counts', async () => {
    const repairBytes = 8 * 1024 * 1024;
    const history = historyWith({ repairBytes, repairMs: 60_000 });
    heapInUse();
    const before = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200_000; i++) history.add('t', Buffer.from(`message ${i}`.padEnd(100, 'x')));
    expect(history.keptBytes).toBeLessThanOrEqual(repairBytes);
    expect(history.keptBytes).toBeGreaterThan(repairBytes - 1000);
    // The memory of collected buffers is given back by finalizers, after the collection.
    await vi.waitFor(() => {
      heapInUse();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      expect(heapUsed + arrayBuffers - before).toBeLessThan(1.5 * repairBytes);
    });
    expect(history.keptBytes).toBeGreaterThan(0);
  });

  it('a history claims channels within a number of bytes, the least claimed ones first', () => {
    const history = historyWith({ repairBytes: 2 ** 23, repairMs: 60_000 });
    for (let i = 0; i < 10_000; i++) history.add(`chat:group:${i}`, Buffer.from('x'));
    const claimed = new Set<string>();
    for (let beat = 0; beat < 10; beat++) {
      const claims = history.claims(() => true, 64 * 1024);
      expect(JSON.stringify(claims).length).toBeLessThan(64 * 1024);
      for (const channel of Object.keys(claims)) claimed.add(channel);
    }
    expect(claimed.size).toBe(10_000);
  });
});
