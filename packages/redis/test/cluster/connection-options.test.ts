import { redisBackplane, type ClientRole, type RedisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { startRedis } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import { TestNode } from '../../../testing/src/conformance/test-node.ts';

const INTERVALS = { heartbeatIntervalMs: 200, nodeTimeoutMs: 3000 };

/** Opens nodes, and closes them at the end of the test. */
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

/** Expects that two nodes with these options find each other, and that one receives a message of the other. */
async function expectConnected(...[options, more = options]: readonly RedisBackplaneOptions[]): Promise<void> {
  await using nodes = new Nodes();
  const [ann, bob] = [options, more].map((each, i) =>
    nodes.open(`${i}`, redisBackplane({ ...INTERVALS, startWithoutRedis: false, ...each })),
  );
  if (!ann || !bob) throw new Error('Two nodes.');
  await Promise.all([ann.link.ready(), bob.link.ready()]);
  await bob.subscribe('t').ready;
  await ann.publish('t', 'hello');
  await vi.waitFor(() => expect(bob.received('t')).toEqual(['hello']));
}

describe('nodes on one Redis', () => {
  it('nodes connect to Redis with TLS, a user, a password and a database', async () => {
    await using redis = await startRedis({ tls: true, user: { name: 'ann', password: 'p@ss:/' } });
    await expectConnected({ url: `${redis.url}/3`, tls: { ca: redis.ca } });
    await using plain = await startRedis({ password: 'secret' });
    await expectConnected({ url: plain.url }, { host: '127.0.0.1', port: plain.port, password: 'secret' });
    await expectConnected({ url: 'redis://:wrong@127.0.0.1:1', port: plain.port, password: 'secret' });
  });

  it('a backplane duplicates the Redis client of the application and leaves that client unchanged', async () => {
    await using redis = await startRedis();
    const client = new Redis(redis.url, { keyPrefix: 'theirs:', stringNumbers: true });
    await client.set('key', 'value');
    await expectConnected({ client }, { url: redis.url });
    expect([client.status, await client.get('key')]).toEqual(['ready', 'value']);
    client.disconnect();
    expect(await redis.keys()).toEqual(['theirs:key']);
  });

  it('a backplane uses and closes the Redis clients that createClient makes, and rejects unsuitable ones', async () => {
    await using redis = await startRedis();
    const made: (readonly [ClientRole, Redis])[] = [];
    const createClient: RedisBackplaneOptions['createClient'] = (role, settings) => {
      const client = new Redis({ ...settings, port: redis.port });
      made.push([role, client]);
      return client;
    };
    await expectConnected({ createClient });
    expect(made.map(([role]) => role).sort()).toEqual(['commands', 'commands', 'subscriber', 'subscriber']);
    await vi.waitFor(() => expect(made.map(([, client]) => client.status)).toEqual(Array(4).fill('end')));
    await using nodes = new Nodes();
    const unfit = new Redis({ lazyConnect: true });
    expect(() => nodes.open('ann', redisBackplane({ createClient: () => unfit }))).toThrow(/needs enableOfflineQueue: false/);
  });
});

it('nodes with different prefixes on one Redis share no messages, members or keys', async () => {
  await using redis = await startRedis();
  await using nodes = new Nodes();
  const at = (nodeId: string, prefix: string) => nodes.open(nodeId, redisBackplane(redis.url, { ...INTERVALS, prefix }));
  const [ann, bob, cat] = [at('ann', 'shop'), at('bob', 'shop'), at('cat', 'shop:two')];
  await Promise.all([ann, bob, cat].map(({ link }) => link.ready()));
  await Promise.all([bob, cat].map((node) => node.subscribe('chat:all').ready));
  await Promise.all([ann, bob, cat].map((node) => node.join(node.self.nodeId, 'chat:all')));
  await ann.publish('chat:all', 'for the shop');
  await cat.publish('chat:all', 'for nobody');
  await vi.waitFor(() => expect(bob.received('chat:all')).toEqual(['for the shop']));
  expect(await ann.membersOf('chat:all')).toEqual(['ann', 'bob']);
  expect(await cat.membersOf('chat:all')).toEqual(['cat']);
  expect((await cat.directory.nodes()).value.map(({ nodeId }) => nodeId)).toEqual(['cat']);
  expect(cat.received('chat:all')).toEqual([]);
  expect([ann, bob].map((node) => node.eventsAbout(cat))).toEqual([[], []]);
  expect(cat.events).toEqual([]);
  expect(await redis.keys()).toEqual([...(await redis.keys('shop:{*')), ...(await redis.keys('shop:two:*'))].sort());
});
