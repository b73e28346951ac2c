import { readFileSync } from 'node:fs';
import { createHubConnection, type HubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { startRedis, startRedisCluster } from '@hubline/testing/cluster';
import { Cluster, Redis } from 'ioredis';
import { expect, it, vi } from 'vitest';

interface GroupMessage {
  readonly prefix?: string;
  readonly hub: string;
  readonly group: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Loads the code of the sender in PROTOCOL.md. */
async function documentedSender(): Promise<(redis: Redis | Cluster, groupMessage: GroupMessage) => Promise<void>> {
  const document = readFileSync(new URL('../../../../PROTOCOL.md', import.meta.url), 'utf8');
  const code = /^```js sender\n(.*?)^```$/ms.exec(document)?.[1] ?? '';
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  return ((await import(/* @vite-ignore */ url)) as { sendToGroup: (redis: Redis | Cluster, groupMessage: GroupMessage) => Promise<void> })
    .sendToGroup;
}

interface MailHub {
  join(group: string): Promise<void>;
}
interface MailReceiver {
  message(text: string, n: number): void;
}
const contract = defineHub<MailHub, MailReceiver>('post office: {1}');
const GROUP = 'Zürich: a {b} 100%';

/** Starts two nodes, each with one client in the group and one in another group. */
async function startTwoNodes(url: string) {
  const received: (readonly [string, number])[] = [];
  const elsewhere: string[] = [];
  const events: string[] = [];
  const nodes = ['ann', 'bob'].map((nodeId) => {
    const backplane = redisBackplane(url, { prefix: 'mail', heartbeatIntervalMs: 200, nodeTimeoutMs: 3000 });
    const server = createHubServer({ nodeId, backplane });
    const hub = server.hub(contract, { path: '/mail', methods: { join: (ctx, group) => ctx.groups.add(group) } });
    server.on('error', (stage, error) => void events.push(`error ${stage}: ${String(error)}`));
    server.on('nodeJoined', (node) => void events.push(`${node.nodeId} joined`));
    server.on('nodeLost', (node, reason) => void events.push(`${node.nodeId} ${reason}`));
    return { server, hub };
  });
  const connections: HubConnection<MailHub, MailReceiver>[] = [];
  for (const { server } of nodes) {
    const port = await server.listen(0, '127.0.0.1');
    for (const message of [(text: string, n: number) => void received.push([text, n]), (text: string) => void elsewhere.push(text)]) {
      const connection = createHubConnection(contract, `http://127.0.0.1:${port}/mail`, { reconnect: false, receiver: { message } });
      await connection.start();
      connections.push(connection);
    }
  }
  await Promise.all(connections.map((connection, i) => connection.invoke.join(i % 2 === 0 ? GROUP : 'another')));
  return {
    received,
    elsewhere,
    events,
    nodes,
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.stop()));
      await Promise.all(nodes.map(({ server }) => server.close()));
    },
  };
}

const groupMessage = { prefix: 'mail', hub: 'post office: {1}', group: GROUP, method: 'message' };

it('the sender of PROTOCOL.md reaches a group on every node, is announced, sends a goodbye, and leaves no keys', async () => {
  await using redis = await startRedis();
  await using setup = await startTwoNodes(redis.url);
  const { received, elsewhere, events, nodes } = setup;
  await using redisClient = disposable(new Redis(redis.url));
  const send = await documentedSender();
  await send(redisClient.client, { ...groupMessage, args: ['grüezi', 1] });
  await send(redisClient.client, { ...groupMessage, args: ['adieu', 2] });
  await vi.waitFor(() => expect(received).toHaveLength(4));
  expect(received.filter(([, n]) => n === 1)).toEqual(Array(2).fill(['grüezi', 1]));
  expect(received.filter(([, n]) => n === 2)).toEqual(Array(2).fill(['adieu', 2]));
  expect(elsewhere).toEqual([]);
  await vi.waitFor(() => expect(events.filter((each) => each === 'sender goodbye')).toHaveLength(4));
  expect(events.filter((each) => each.startsWith('error'))).toEqual([]);
  for (const { server } of nodes) expect((await server.nodes()).items.map(({ nodeId }) => nodeId).sort()).toEqual(['ann', 'bob']);
  expect(await nodes[0]?.hub.disconnect({ group: 'another' })).toEqual({ value: 2, complete: true, missingNodes: [] });
  expect(await redis.call('HLEN', 'mail:{nodes}')).toBe(2);
});

it('the sender of PROTOCOL.md reaches a group through a Redis Cluster', { timeout: 60_000 }, async () => {
  await using servers = await startRedisCluster({ replicas: 0 });
  await using setup = await startTwoNodes(servers.url);
  const { received, elsewhere, events } = setup;
  await using redisClient = disposable(new Cluster(servers.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))));
  await (
    await documentedSender()
  )(redisClient.client, { ...groupMessage, args: ['grüezi', 1] });
  await vi.waitFor(() => expect(received).toEqual(Array(2).fill(['grüezi', 1])));
  expect(elsewhere).toEqual([]);
  expect(events.filter((each) => each === 'sender joined')).toHaveLength(2);
  expect(events.filter((each) => each.startsWith('error'))).toEqual([]);
});

it('a process that replies as PROTOCOL.md says is not among the missing nodes of a disconnect', async () => {
  await using redis = await startRedis();
  await using setup = await startTwoNodes(redis.url);
  const { nodes, events } = setup;
  await using commands = disposable(new Redis(redis.url));
  await using subscriber = disposable(new Redis(redis.url));
  const [process, incarnation] = ['PlainReader', 'PlainReader.1'];
  const node = { v: 2, nodeId: 'reader', process, app: 'reader', accepts: false, startedAt: 1 };
  const requests: unknown[] = [];
  subscriber.client.on('messageBuffer', (_channel: Buffer, frame: Buffer) => {
    const asker = frame.toString('ascii', 9, 9 + (frame[8] ?? 0)).replace(/\.\d+$/, '');
    const envelope = frame.subarray(9 + (frame[8] ?? 0));
    const { id, ...request } = JSON.parse(envelope.toString('utf8', 6, 6 + envelope.readUInt32BE(2))) as { id: number };
    requests.push([frame[0], envelope[0], envelope[1], request]);
    const header = Buffer.from(JSON.stringify({ id, last: true, value: { count: 0 } }));
    const reply = Buffer.from([2, 1, 0, 0, 0, 0, 0, 1, incarnation.length, ...Buffer.from(incarnation), 2, 3, 0, 0, 0, header.length]);
    void commands.client.publish(`mail:{node=${asker}}`, Buffer.concat([reply, header]));
  });
  await subscriber.client.subscribe(`mail:{node=${process}}`);
  await commands.client.set(`mail:{nodes}:lease:${incarnation}`, '1', 'PX', 20_000);
  await commands.client.hset('mail:{nodes}', incarnation, JSON.stringify(node));
  await commands.client.publish('mail:{nodes}', JSON.stringify({ v: 2, is: 'hello', incarnation, node }));
  await vi.waitFor(() => expect(events.filter((each) => each === 'reader joined')).toHaveLength(2));
  expect(await nodes[0]?.hub.disconnect({ user: 'Zoë' }, 'why')).toEqual({ value: 0, complete: true, missingNodes: [] });
  const target = { topic: 'post%20office%3A%20%7B1%7D:user:Zo%C3%AB' };
  const params = { hub: 'post office: {1}', do: 'disconnect', target, reason: 'why' };
  expect(requests).toEqual([[2, 2, 2, { op: 'command', params }]]);
  expect(events.filter((each) => each.startsWith('error'))).toEqual([]);
});

function disposable<C extends Redis | Cluster>(client: C): AsyncDisposable & { readonly client: C } {
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}
