import { readFileSync } from 'node:fs';
import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { redisBackplane } from '@hubline/redis';
import { createHubServer } from '@hubline/server';
import { startRedis, startRedisCluster } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';

/** The arguments of the command in docs/operate/redis.md. */
const document = readFileSync(new URL('../../../../docs/operate/redis.md', import.meta.url), 'utf8');
const [, line = ''] = /^(ACL SETUSER .*)$/m.exec(document) ?? [];
const [command = '', ...args] = line.split(' ');

interface Mail {
  join(group: string): Promise<void>;
}
interface Receiver {
  message(text: string): void;
  confirm(): Promise<boolean>;
}
const mail = defineHub<Mail, Receiver, { role: string }>('mail');

/** Runs two nodes through their life: connect, join, send, ask, query, watch, disconnect, close. Returns what they report. */
async function liveOn(options: object): Promise<readonly string[]> {
  const faults: string[] = [];
  const received: string[] = [];
  const nodes = ['ann', 'bob'].map((nodeId) => {
    const backplane = redisBackplane({ ...options, prefix: 'shop', heartbeatIntervalMs: 200, nodeTimeoutMs: 3000, sweepDelayMs: 200 });
    const server = createHubServer({ nodeId, backplane });
    server.on('error', (stage, error) => void faults.push(`${stage}: ${String(error)}`));
    server.on('backplaneDown', (cause) => void faults.push(`down: ${cause.message}`));
    const hub = server.hub(mail, {
      path: '/mail',
      attributes: { role: 'indexed' },
      authenticate: () => ({ userId: nodeId, attributes: { role: 'admin' } }),
      methods: { join: (ctx, group) => ctx.groups.add(group) },
    });
    return { server, hub };
  });
  const [ann, bob] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  const port = await bob.server.listen(0, '127.0.0.1');
  await ann.server.ready();
  const connection = createHubConnection(mail, `http://127.0.0.1:${port}/mail`, {
    receiver: { message: (text) => void received.push(text), confirm: async () => true },
  });
  await connection.start();
  for (const name of ['lobby', 'g'.repeat(200), 'h'.repeat(200), 'i'.repeat(200)]) await connection.invoke.join(name);
  const watch = ann.hub.presence.watch({ group: 'lobby' })[Symbol.asyncIterator]();
  await watch.next();
  await ann.hub.clients.group('lobby').send.message('hello').confirmed;
  await expect.poll(() => received).toEqual(['hello']);
  const connected = await ann.hub.presence.connections({ where: { role: 'admin' } });
  const [{ connectionId }] = connected.items as [(typeof connected.items)[0]];
  expect(await ann.hub.clients.connection(connectionId).invoke.confirm()).toBe(true);
  expect(await ann.hub.presence.groupsOf(connectionId)).toHaveLength(4);
  expect(await ann.hub.presence.isOnline('bob')).toBe(true);
  expect((await ann.hub.presence.count({ group: 'nobody' })).value).toBe(0);
  await ann.hub.disconnect({ user: 'bob' });
  await watch.return?.();
  await connection.stop();
  for (const { server } of nodes) await server.close({ graceMs: 0 });
  return faults;
}

it('docs/operate/redis.md has a user for one Redis that may run every command of a node, and no other', async () => {
  expect(args.length).toBeGreaterThan(30);
  await using redis = await startRedis();
  await redis.call(command, ...args);
  const { hostname, port } = new URL(redis.url);
  const user = { host: hostname, port: Number(port), username: 'hubline', password: 'secret' };
  expect(await liveOn(user)).toEqual([]);
  const denied = await redis.call('ACL', 'DRYRUN', 'hubline', 'set', 'other:key', '1');
  expect(String(denied)).toContain('no permissions');
  expect(String(await redis.call('ACL', 'DRYRUN', 'hubline', 'flushall'))).toContain('no permissions');
});

it('docs/operate/redis.md has a user for a Redis Cluster that may run every command of a node', { timeout: 60_000 }, async () => {
  await using cluster = await startRedisCluster({ masters: 3 });
  const masters = await cluster.masters();
  for (const master of masters) await master.call(command, ...args);
  const addresses = masters.map(({ url }) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }));
  expect(await liveOn({ cluster: addresses, username: 'hubline', password: 'secret' })).toEqual([]);
});
