import { readFileSync } from 'node:fs';
import { createHubConnection, type HubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { startRedis, startRedisCluster } from '@hubline/testing/cluster';
import { Cluster, Redis } from 'ioredis';
import { expect, it, vi } from 'vitest';

interface Letter {
  readonly prefix?: string;
  readonly hub: string;
  readonly group: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** The sender of PROTOCOL.md, and nothing else. */
async function documentedSender(): Promise<(redis: Redis | Cluster, letter: Letter) => Promise<void>> {
  const document = readFileSync(new URL('../../../../PROTOCOL.md', import.meta.url), 'utf8');
  const code = /^```js sender\n(.*?)^```$/ms.exec(document)?.[1] ?? '';
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  return ((await import(/* @vite-ignore */ url)) as { sendToGroup: (redis: Redis | Cluster, letter: Letter) => Promise<void> }).sendToGroup;
}

interface MailHub {
  join(group: string): Promise<void>;
}
interface MailReceiver {
  said(text: string, n: number): void;
}
const contract = defineHub<MailHub, MailReceiver>('post office: {1}');
const GROUP = 'Zürich: a {b} 100%';

/** Two nodes, each with a client in the group and one that is in none. */
async function office(url: string) {
  const heard: (readonly [string, number])[] = [];
  const elsewhere: string[] = [];
  const comings: string[] = [];
  const nodes = ['ann', 'bob'].map((nodeId) => {
    const backplane = redisBackplane(url, { prefix: 'mail', heartbeatIntervalMs: 200, nodeTimeoutMs: 3000 });
    const server = createHubServer({ nodeId, backplane });
    const hub = server.hub(contract, { path: '/mail', methods: { join: (ctx, group) => ctx.groups.add(group) } });
    server.on('error', (stage, error) => void comings.push(`error ${stage}: ${String(error)}`));
    server.on('nodeJoined', (node) => void comings.push(`${node.nodeId} joined`));
    server.on('nodeLost', (node, reason) => void comings.push(`${node.nodeId} ${reason}`));
    return { server, hub };
  });
  const connections: HubConnection<MailHub, MailReceiver>[] = [];
  for (const { server } of nodes) {
    const port = await server.listen(0, '127.0.0.1');
    for (const said of [(text: string, n: number) => void heard.push([text, n]), (text: string) => void elsewhere.push(text)]) {
      const connection = createHubConnection(contract, `http://127.0.0.1:${port}/mail`, { reconnect: false, receiver: { said } });
      await connection.start();
      connections.push(connection);
    }
  }
  await Promise.all(connections.map((connection, i) => connection.invoke.join(i % 2 === 0 ? GROUP : 'another')));
  return {
    heard,
    elsewhere,
    comings,
    nodes,
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.stop()));
      await Promise.all(nodes.map(({ server }) => server.close()));
    },
  };
}

const letter = { prefix: 'mail', hub: 'post office: {1}', group: GROUP, method: 'said' };

it('the sender of PROTOCOL.md reaches a group on every node, comes and goes, and leaves nothing', async () => {
  await using redis = await startRedis();
  await using world = await office(redis.url);
  const { heard, elsewhere, comings, nodes } = world;
  await using link = linkTo(new Redis(redis.url));
  const send = await documentedSender();
  await send(link.client, { ...letter, args: ['grüezi', 1] });
  await send(link.client, { ...letter, args: ['adieu', 2] });
  await vi.waitFor(() => expect(heard).toHaveLength(4));
  expect(heard.filter(([, n]) => n === 1)).toEqual(Array(2).fill(['grüezi', 1]));
  expect(heard.filter(([, n]) => n === 2)).toEqual(Array(2).fill(['adieu', 2]));
  expect(elsewhere).toEqual([]);
  await vi.waitFor(() => expect(comings.filter((each) => each === 'sender goodbye')).toHaveLength(4));
  expect(comings.filter((each) => each.startsWith('error'))).toEqual([]);
  for (const { server } of nodes) expect((await server.nodes()).items.map(({ nodeId }) => nodeId).sort()).toEqual(['ann', 'bob']);
  expect(await nodes[0]?.hub.disconnect({ group: 'another' })).toEqual({ value: 2, complete: true, missingNodes: [] });
  expect(await redis.call('HLEN', 'mail:{nodes}')).toBe(2);
});

it('the sender of PROTOCOL.md reaches a group through a Redis Cluster', { timeout: 60_000 }, async () => {
  await using servers = await startRedisCluster({ replicas: 0 });
  await using world = await office(servers.url);
  const { heard, elsewhere, comings } = world;
  await using link = linkTo(new Cluster(servers.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))));
  await (
    await documentedSender()
  )(link.client, { ...letter, args: ['grüezi', 1] });
  await vi.waitFor(() => expect(heard).toEqual(Array(2).fill(['grüezi', 1])));
  expect(elsewhere).toEqual([]);
  expect(comings.filter((each) => each === 'sender joined')).toHaveLength(2);
  expect(comings.filter((each) => each.startsWith('error'))).toEqual([]);
});

it('a process that answers as PROTOCOL.md says is not missing in a disconnect', async () => {
  await using redis = await startRedis();
  await using world = await office(redis.url);
  const { nodes, comings } = world;
  await using commands = linkTo(new Redis(redis.url));
  await using subscriber = linkTo(new Redis(redis.url));
  const [process, incarnation] = ['PlainReader', 'PlainReader.1'];
  const node = { v: 2, nodeId: 'reader', process, app: 'reader', accepts: false, startedAt: 1 };
  const asked: unknown[] = [];
  subscriber.client.on('messageBuffer', (_channel: Buffer, frame: Buffer) => {
    const asker = frame.toString('ascii', 9, 9 + (frame[8] ?? 0)).replace(/\.\d+$/, '');
    const envelope = frame.subarray(9 + (frame[8] ?? 0));
    const { id, ...question } = JSON.parse(envelope.toString('utf8', 6, 6 + envelope.readUInt32BE(2))) as { id: number };
    asked.push([frame[0], envelope[0], envelope[1], question]);
    const header = Buffer.from(JSON.stringify({ id, last: true, value: { count: 0 } }));
    const reply = Buffer.from([2, 1, 0, 0, 0, 0, 0, 1, incarnation.length, ...Buffer.from(incarnation), 2, 3, 0, 0, 0, header.length]);
    void commands.client.publish(`mail:{node=${asker}}`, Buffer.concat([reply, header]));
  });
  await subscriber.client.subscribe(`mail:{node=${process}}`);
  await commands.client.set(`mail:{nodes}:lease:${incarnation}`, '1', 'PX', 20_000);
  await commands.client.hset('mail:{nodes}', incarnation, JSON.stringify(node));
  await commands.client.publish('mail:{nodes}', JSON.stringify({ v: 2, is: 'hello', incarnation, node }));
  await vi.waitFor(() => expect(comings.filter((each) => each === 'reader joined')).toHaveLength(2));
  expect(await nodes[0]?.hub.disconnect({ user: 'Zoë' }, 'why')).toEqual({ value: 0, complete: true, missingNodes: [] });
  const target = { topic: 'post%20office%3A%20%7B1%7D:user:Zo%C3%AB' };
  const params = { hub: 'post office: {1}', do: 'disconnect', target, reason: 'why' };
  expect(asked).toEqual([[2, 2, 2, { op: 'command', params }]]);
  expect(comings.filter((each) => each.startsWith('error'))).toEqual([]);
});

function linkTo<C extends Redis | Cluster>(client: C): AsyncDisposable & { readonly client: C } {
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}
