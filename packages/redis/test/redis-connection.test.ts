import { startProxy, startRedis } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { expect, it, vi } from 'vitest';
import { RedisConnection, type Command } from '../src/redis-connection.ts';
import { REQUIRED_SETTINGS } from '../src/options.ts';
import { programOf } from '../../testing/src/redis/redis-server.ts';
import { isGarnet } from '../../testing/src/redis/server-arguments.ts';

/** Opens a connection to a Redis that refuses commands. */
async function lineTo(url: string) {
  const client = new Redis(url, { enableReadyCheck: false, retryStrategy: () => 50 });
  const [ready, lost] = [vi.fn(), vi.fn()];
  const line = new RedisConnection(client, 2000, { ready, lost });
  await vi.waitFor(() => expect(ready).toHaveBeenCalledTimes(1));
  return { line, client, ready, lost, [Symbol.dispose]: () => line.close() };
}

const SET = ['set', 'key', 'value'] as const;
const CLUSTER_MODE = isGarnet(programOf()) ? ['--cluster', '--device-type', 'RandomAccess'] : ['--cluster-enabled', 'yes'];
const NOBODYS = ['REPLICAOF', '127.0.0.1', '1'] as const;

interface Refuser {
  readonly who: string;
  readonly refusal: string;
  readonly args: readonly string[];
  /** The command that makes the Redis refuse others. */
  readonly made: readonly [string, ...string[]];
  readonly command: Command;
}

it.each<Refuser>([
  { who: 'a replica', refusal: 'READONLY', args: [], made: NOBODYS, command: SET },
  {
    who: 'a replica without its master',
    refusal: 'MASTERDOWN',
    args: ['--replica-serve-stale-data', 'no'],
    made: NOBODYS,
    command: ['get', 'key'],
  },
  { who: 'a node of an incomplete cluster', refusal: 'CLUSTERDOWN', args: CLUSTER_MODE, made: ['PING'], command: SET },
])('a connection to $who ($refusal) is closed, and another one is opened', async ({ refusal, args, made, command }) => {
  await using redis = await startRedis({ args });
  await redis.call(...made);
  using to = await lineTo(redis.url);
  await expect(to.line.run([command])).rejects.toThrow(refusal);
  expect(to.lost.mock.calls[0]).toMatchObject([{ code: 'backplane_unavailable', message: expect.stringContaining(refusal) as string }]);
  await vi.waitFor(() => expect(to.ready).toHaveBeenCalledTimes(2)); // on another connection
});

it('the connection of a subscriber to an incomplete cluster is closed', async () => {
  await using redis = await startRedis({ args: CLUSTER_MODE });
  using to = await lineTo(redis.url);
  await expect(to.line.within('SSUBSCRIBE', to.client.ssubscribe('channel'))).rejects.toThrow('CLUSTERDOWN');
  expect(to.lost).toHaveBeenCalled();
  await vi.waitFor(() => expect(to.ready).toHaveBeenCalledTimes(2));
});

it.each([
  ['Redis', false, /was not answered by Redis within 300 ms\.$/],
  ['this process', true, /was not answered by Redis within 300 ms, and this process was too busy to read for another \d{3,} ms\.$/],
])('the error of an unanswered command names %s as the cause', async (_who, isBusy, cause) => {
  await using redis = await startRedis();
  const client = new Redis(redis.url, { ...REQUIRED_SETTINGS, retryStrategy: () => 50 });
  const [ready, lost] = [vi.fn(), vi.fn()];
  const line = new RedisConnection(client, 300, { ready, lost });
  await vi.waitFor(() => expect(ready).toHaveBeenCalled());
  redis.pause();
  const answer = line.run([['get', 'key']]);
  if (isBusy) for (const until = performance.now() + 900; performance.now() < until;);
  await expect(answer).rejects.toMatchObject({ code: 'backplane_unavailable' });
  expect(lost.mock.calls[0]).toMatchObject([{ message: expect.stringMatching(cause) as string }]);
  line.close();
  redis.resume();
});

it('a process that was blocked for longer than the time limit of a command keeps its connection', async () => {
  await using redis = await startRedis();
  using to = await lineTo(redis.url);
  const answer = to.line.run([['get', 'key']]);
  for (const until = performance.now() + 2500; performance.now() < until;);
  expect(await answer).toEqual([null]);
  expect(to.lost).not.toHaveBeenCalled();
});

it('a connection on which messages arrive is kept although an answer is late', async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.url);
  const client = new Redis(proxy.url, { ...REQUIRED_SETTINGS, retryStrategy: () => 50 });
  const [ready, lost] = [vi.fn(), vi.fn()];
  const connection = new RedisConnection(client, 300, { ready, lost });
  await vi.waitFor(() => expect(ready).toHaveBeenCalled());
  await connection.within('SUBSCRIBE', client.subscribe('channel'));
  const sent: Promise<unknown>[] = [];
  const publishing = setInterval(() => sent.push(redis.call('PUBLISH', 'channel', 'message')), 20);
  let delayMs = 0;
  // In small steps: no pause between two messages is as long as the time limit.
  await vi.waitUntil(() => (proxy.delay((delayMs += 50)), delayMs === 500), { interval: 50, timeout: 5000 });
  expect(await connection.within('PING', client.ping())).toBeDefined();
  expect(lost).not.toHaveBeenCalled();
  clearInterval(publishing);
  await Promise.all(sent);
  connection.close();
});
