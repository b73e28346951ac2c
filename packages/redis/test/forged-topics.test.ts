import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { startRedis } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { Keys, type Incarnation } from '../src/keys.ts';

const room = defineHub<Record<never, never>>('room');

it('a query of users skips and reports topics that no node writes, and names their node as missing', async () => {
  await using redis = await startRedis();
  await using server = createHubServer({ nodeId: 'ann', backplane: redisBackplane(redis.url) });
  const { presence } = server.hub(room);
  const errors: string[] = [];
  server.on('error', (stage, error) => errors.push(`${stage}: ${String(error)}`));
  await server.ready();
  const keys = new Keys('hubline');
  const { items } = await server.nodes();
  const incarnation: Incarnation = `${items[0]!.process}.1`;
  for (const topic of ['room:user:%E0', 'room:user:a b', 'room:user:zoe']) {
    await redis.call('ZADD', keys.topics(incarnation), '0', topic);
    await redis.call('HSET', keys.counts(topic), incarnation, '1');
  }
  const found: unknown[] = [];
  for await (const page of presence.users({ limit: 1 })) found.push(...page.items);
  expect(found).toEqual([{ userId: 'zoe', connections: 1 }]);
  expect(await presence.users()).toMatchObject({ complete: false, missingNodes: ['ann'] });
  expect(errors).toHaveLength(2);
  expect(errors[0]).toContain('room:user:%E0');
});
