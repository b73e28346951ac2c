import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';
import { TestClock } from './test-clock.ts';
import { threeNodes } from './cluster/three-nodes.ts';

interface Calls {
  ping(): Promise<void>;
}
interface Receiver {
  moved(who: string, x: number): void;
  drawn(shape: number): void;
  filler(text: string): void;
}
const board = defineHub<Calls, Receiver>('board');

/** More than the socket buffers of a machine hold. */
const FILLER = 'x'.repeat(12 * 1024 * 1024);

async function start(maxBufferedBytes = 32 * 1024 * 1024) {
  const server = createHubServer({ limits: { maxBufferedBytes } });
  const hub = server.hub(board, { path: '/hub', methods: { ping: async () => undefined } });
  return { ...(await listenAndConnect(server)), hub };
}

const seen = (client: RawClient, target: string): readonly unknown[] =>
  client.messages.filter((message) => message.target === target).map((message) => message.arguments);

it('a slow client gets the latest message of each key, and all other messages in order', async () => {
  await using world = await start();
  const { client, hub } = world;
  await using quick = await RawClient.open(world.port);
  client.pause();
  hub.clients.all.send.filler(FILLER);
  await quick.until(() => seen(quick, 'filler').length === 1);
  for (let i = 0; i < 300; i++) {
    for (const who of ['ann', 'bob']) hub.clients.all.with({ replaces: who }).send.moved(who, i);
    hub.clients.all.send.drawn(i);
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  client.resume();
  for (const reader of [client, quick]) {
    await reader.until(() => seen(reader, 'drawn').length === 300 && seen(reader, 'moved').length > 1);
    expect(seen(reader, 'drawn')).toEqual(Array.from({ length: 300 }, (_, i) => [i]));
    expect(new Map(seen(reader, 'moved') as [string, number][])).toEqual(
      new Map([
        ['ann', 299],
        ['bob', 299],
      ]),
    );
  }
  expect(seen(client, 'moved').length).toBeLessThan(10);
  expect(seen(quick, 'moved')).toHaveLength(600); // the quick client gets all of them
});

it('messages that wait under a key count for maxBufferedBytes', async () => {
  await using world = await start(14 * 1024 * 1024);
  const { client, hub } = world;
  client.pause();
  hub.clients.all.send.filler(FILLER);
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 3000; i++) {
    hub.clients.all.with({ replaces: `key ${i}` }).send.moved('x'.repeat(10_000), i);
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await expect.poll(() => world.hub.presence.count()).toMatchObject({ value: 0 }); // the slow consumer is disconnected
});

it('with refuses a key that is no name', async () => {
  await using world = await start();
  expect(() => world.hub.clients.all.with({ replaces: ['x'] as unknown as string })).toThrow(
    expect.objectContaining({ code: 'invalid_option', details: { option: 'replaces' } }),
  );
});

it('a message with a key reaches the clients of other nodes', async () => {
  await using nodes = await threeNodes();
  const { world, a, b } = nodes;
  const client = await world.client(b);
  a.hub.clients.all.with({ replaces: 'cursor' }).send.said('here');
  await expect.poll(() => client.said).toEqual(['here']);
});

it('a message to another node replaces only a message with the same key for the same connections', async () => {
  await using nodes = await threeNodes();
  const { world, a, b } = nodes;
  const bob = await world.client(b);
  const ann = await world.client(b);
  await Promise.all([bob, ann].map((client) => client.call('join', 'board')));
  const board = a.hub.clients.group('board');
  const latest = [
    board,
    board.except(bob.id),
    board.except(ann.id),
    a.hub.clients.connection(bob.id),
    a.hub.clients.connection(ann.id),
    a.hub.clients.allOf(board, a.hub.clients.where({ role: 'admin' })),
  ].flatMap((target) => ['cursor', 'shape'].map((replaces) => target.with({ replaces })));
  for (const target of latest) target.send.said('here');
  await expect.poll(() => world.tap.keys).toHaveLength(latest.length);
  expect(new Set(world.tap.keys).size).toBe(latest.length);
  for (const target of latest) target.send.said('there');
  await expect.poll(() => world.tap.keys).toHaveLength(2 * latest.length);
  expect(new Set(world.tap.keys).size).toBe(latest.length);
  board.send.said('all of them');
  await expect.poll(() => bob.said.at(-1)).toBe('all of them');
  expect(world.tap.keys).toHaveLength(2 * latest.length);
});

it('a client that acknowledges late gets the latest message of each key, although its socket takes everything', async () => {
  const clock = new TestClock();
  const server = createHubServer({}, clock);
  const hub = server.hub(board, { path: '/hub', methods: { ping: async () => undefined } });
  await using world = await listenAndConnect(server);
  await using silent = await RawClient.open(world.port); // announces Hubline and never acknowledges
  const { client } = world;
  const questions = (): number => client.messages.filter(({ type }) => type === 9).length;
  const moved = (x: number): unknown => hub.clients.all.with({ replaces: 'ann' }).send.moved('ann', x);
  const until = (ready: () => boolean): Promise<unknown> => client.until(() => ready() || undefined);
  moved(0);
  await until(() => questions() === 1);
  client.send({ type: 8, sequenceId: 0 });
  await client.call('ping'); // the acknowledgement has arrived
  await clock.advance(1_000);
  for (let x = 1; x <= 15; x++) moved(x);
  await client.call('ping');
  expect(questions()).toBe(1);
  moved(16);
  await until(() => questions() === 2);
  await clock.advance(300); // the acknowledgement is late
  for (let x = 17; x <= 50; x++) {
    moved(x);
    hub.clients.all.send.drawn(x);
  }
  await until(() => seen(client, 'drawn').length === 34);
  expect(seen(client, 'moved')).toEqual(Array.from({ length: 17 }, (_, x) => ['ann', x]));
  client.send({ type: 8, sequenceId: 0 });
  await until(() => seen(client, 'moved').length > 17);
  expect(seen(client, 'moved').slice(17)).toEqual([['ann', 50]]);
  expect(seen(client, 'drawn')).toEqual(Array.from({ length: 34 }, (_, i) => [i + 17]));
  moved(51);
  await until(() => seen(client, 'moved').length > 18);
  await silent.until(() => seen(silent, 'moved').length === 52 || undefined);
});

it('the server asks a client that acknowledges in time at growing intervals up to 4 s, and a late one soon', async () => {
  const clock = new TestClock();
  const server = createHubServer({}, clock);
  const hub = server.hub(board, { path: '/hub', methods: { ping: async () => undefined } });
  await using world = await listenAndConnect(server);
  const { client } = world;
  const questions = (): number => client.messages.filter(({ type }) => type === 9).length;
  /** Returns whether the server asks for an acknowledgement after the pause. The client answers after `answerMs`. */
  const askedAfter = async (pauseMs: number, answerMs = 0): Promise<boolean> => {
    await clock.advance(pauseMs);
    const before = questions();
    for (let x = 0; x < 16; x++) hub.clients.all.with({ replaces: 'ann' }).send.moved('ann', x);
    await client.call('ping');
    if (questions() === before) return false;
    await clock.advance(answerMs);
    client.send({ type: 8, sequenceId: 0 });
    await client.call('ping');
    return true;
  };
  expect(await askedAfter(0)).toBe(true);
  for (const pauseMs of [1_000, 2_000, 4_000, 4_000]) {
    expect(await askedAfter(pauseMs - 1)).toBe(false);
    expect(await askedAfter(1)).toBe(true);
  }
  expect(await askedAfter(4_000, 300)).toBe(true); // late
  expect(await askedAfter(200)).toBe(true);
});
