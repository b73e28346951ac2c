import { redisBackplane, type ClientRole, type RedisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { startRedis } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import { TestNode } from '../../../testing/src/conformance/world.ts';

const BEATS = { heartbeatIntervalMs: 200, nodeTimeoutMs: 3000 };

/** Nodes that are closed with their test. */
class Nodes implements AsyncDisposable {
  readonly #all: TestNode[] = [];

  open(nodeId: string, backplane: RedisBackplane): TestNode {
    const node = new TestNode(backplane, { nodeId, process: crypto.randomUUID(), app: 'test', accepts: true, startedAt: 1 });
    this.#all.push(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(({ link }) => link.close()));
  }
}

/** Two nodes with these options meet, and one hears the other. */
async function expectMeeting(...[options, more = options]: readonly RedisBackplaneOptions[]): Promise<void> {
  await using nodes = new Nodes();
  const [ann, bob] = [options, more].map((each, i) => nodes.open(`${i}`, redisBackplane({ ...BEATS, startWithoutRedis: false, ...each })));
  if (!ann || !bob) throw new Error('Two nodes.');
  await Promise.all([ann.link.ready(), bob.link.ready()]);
  await bob.subscribe('t').ready;
  await ann.publish('t', 'hello');
  await vi.waitFor(() => expect(bob.heard('t')).toEqual(['hello']));
}

describe('nodes meet in a Redis', () => {
  it('that speaks TLS, as a user of it and in a database', async () => {
    await using redis = await startRedis({ tls: true, user: { name: 'ann', password: 'p@ss:/' } });
    await expectMeeting({ url: `${redis.url}/3`, tls: { ca: redis.ca } });
    await using plain = await startRedis({ password: 'secret' });
    await expectMeeting({ url: plain.url }, { host: '127.0.0.1', port: plain.port, password: 'secret' });
    await expectMeeting({ url: 'redis://:wrong@127.0.0.1:1', port: plain.port, password: 'secret' });
  });

  it('by a client of theirs, which is left as it is', async () => {
    await using redis = await startRedis();
    const client = new Redis(redis.url, { keyPrefix: 'theirs:', stringNumbers: true });
    await client.set('key', 'value');
    await expectMeeting({ client }, { url: redis.url });
    expect([client.status, await client.get('key')]).toEqual(['ready', 'value']);
    client.disconnect();
    expect(await redis.keys()).toEqual(['theirs:key']);
  });

  it('by clients that they make, which are closed in the end, and have to be fit', async () => {
    await using redis = await startRedis();
    const made: (readonly [ClientRole, Redis])[] = [];
    const createClient: RedisBackplaneOptions['createClient'] = (role, settings) => {
      const client = new Redis({ ...settings, port: redis.port });
      made.push([role, client]);
      return client;
    };
    await expectMeeting({ createClient });
    expect(made.map(([role]) => role).sort()).toEqual(['commands', 'commands', 'subscriber', 'subscriber']);
    await vi.waitFor(() => expect(made.map(([, client]) => client.status)).toEqual(Array(4).fill('end')));
    await using nodes = new Nodes();
    const unfit = new Redis({ lazyConnect: true });
    expect(() => nodes.open('ann', redisBackplane({ createClient: () => unfit }))).toThrow(/needs enableOfflineQueue: false/);
  });
});

it('two prefixes in one Redis have nothing to do with each other', async () => {
  await using redis = await startRedis();
  await using nodes = new Nodes();
  const at = (nodeId: string, prefix: string) => nodes.open(nodeId, redisBackplane(redis.url, { ...BEATS, prefix }));
  const [ann, bob, cat] = [at('ann', 'shop'), at('bob', 'shop'), at('cat', 'shop:two')];
  await Promise.all([ann, bob, cat].map(({ link }) => link.ready()));
  await Promise.all([bob, cat].map((node) => node.subscribe('chat:all').ready));
  await Promise.all([ann, bob, cat].map((node) => node.join(node.self.nodeId, 'chat:all')));
  await ann.publish('chat:all', 'for the shop');
  await cat.publish('chat:all', 'for nobody');
  await vi.waitFor(() => expect(bob.heard('chat:all')).toEqual(['for the shop']));
  expect(await ann.membersOf('chat:all')).toEqual(['ann', 'bob']);
  expect(await cat.membersOf('chat:all')).toEqual(['cat']);
  expect((await cat.directory.nodes()).value.map(({ nodeId }) => nodeId)).toEqual(['cat']);
  expect(cat.heard('chat:all')).toEqual([]);
  expect([ann, bob].map((node) => node.toldOf(cat))).toEqual([[], []]);
  expect(cat.events).toEqual([]);
  expect(await redis.keys()).toEqual([...(await redis.keys('shop:{*')), ...(await redis.keys('shop:two:*'))].sort());
});
