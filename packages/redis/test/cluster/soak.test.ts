import { text } from 'node:stream/consumers';
import { getHeapSnapshot } from 'node:v8';
import { createHubConnection, type HubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { until } from '@hubline/testing';
import { startRedis, startRedisCluster, type RedisServer } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { pause } from './fixtures/pause.ts';

/** The duration of the load: HUBLINE_SOAK_MINUTES=60 is an hour. Default: a few rounds. */
const MINUTES = Number(process.env.HUBLINE_SOAK_MINUTES ?? 0);
const ROUNDS = 4;
/** The greatest growth of the heap over all rounds after the first two. */
const MAX_GROWTH_BYTES = 300_000;
const TURNS = 3000;

interface SoakHub {
  join(group: string): Promise<void>;
  leave(group: string): Promise<void>;
  echo(text: string): Promise<string>;
  count(to: number): AsyncIterable<number>;
}
interface SoakReceiver {
  message(text: string): void;
  confirm(): Promise<boolean>;
}
const contract = defineHub<SoakHub, SoakReceiver>('soak', { count: 'stream' });

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Starts two applications with one client each. Messages are kept for repair for half a second. */
async function applicationsOn(url: string) {
  const options = { heartbeatIntervalMs: 250, nodeTimeoutMs: 10_000, redisTimeoutMs: 1000, sweepDelayMs: 500, repairMs: 500 };
  const servers = ['ann', 'bob'].map((nodeId) => {
    const server = createHubServer({ nodeId, backplane: redisBackplane(url, { ...options, prefix: 'soak' }) });
    const hub = server.hub(contract, {
      path: '/soak',
      methods: {
        join: (ctx, group) => ctx.groups.add(group),
        leave: (ctx, group) => ctx.groups.remove(group),
        echo: async (_ctx, text) => text,
        async *count(_ctx, to) {
          for (let i = 0; i < to; i++) yield i;
        },
      },
    });
    server.on('error', () => undefined);
    return { server, hub };
  });
  const received = { count: 0 };
  const gaps: object[] = [];
  for (const { server } of servers) server.on('gap', (gap) => gaps.push(gap));
  const connections: HubConnection<SoakHub, SoakReceiver>[] = [];
  for (const { server } of servers) {
    const port = await server.listen(0, '127.0.0.1');
    const receiver = { message: () => void received.count++, confirm: async () => true };
    const connection = createHubConnection(contract, `http://127.0.0.1:${port}/soak`, { reconnect: false, receiver });
    await connection.start();
    connections.push(connection);
  }
  return {
    servers,
    connections,
    received,
    gaps,
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.stop()));
      await Promise.all(servers.map(({ server }) => server.close()));
    },
  };
}

type Applications = Awaited<ReturnType<typeof applicationsOn>>;

/** Publishes, joins, calls and streams, and then causes a fault. */
async function round({ servers, connections, received, gaps }: Applications, breakOnce: () => Promise<void>): Promise<void> {
  const [ann] = servers;
  const before = { received: received.count, gaps: gaps.length };
  for (let i = 0; i < TURNS; i++) {
    void ann?.hub.clients.all.send.message('hello');
    await endOfTurn();
  }
  // A busy machine repairs late, when the sender has discarded the message: then a node reports a gap.
  const areReceived = (): boolean => received.count >= before.received + 2 * TURNS || gaps.length > before.gaps;
  await until(areReceived, { timeoutMs: 20_000 });
  for (const connection of connections) {
    for (let i = 0; i < 20; i++) await connection.invoke.join(`group-${i}`);
    for (let i = 0; i < 50; i++) await connection.invoke.echo('hello');
    for await (const _ of connection.stream.count(100));
    for (let i = 0; i < 20; i++) await connection.invoke.leave(`group-${i}`);
  }
  for (let i = 0; i < 5; i++) await ann?.hub.clients.all.invokeAll.confirm();
  await breakOnce();
  await until(() => servers.every(({ server }) => server.health().status === 'ok'), { timeoutMs: 20_000 });
}

/** The part of a heap snapshot that {@link heapInUse} reads. */
interface HeapSnapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[]; readonly node_types: readonly [readonly string[]] } };
  readonly nodes: readonly number[];
}

/** The types of nodes that V8 adds for an hour: compiled code, and the shapes and lists that belong to it. */
const COMPILED = new Set(['code', 'hidden', 'object shape']);

/**
 * Measures the heap by a snapshot, which collects garbage first, without compiled code. The pause is longer than `repairMs` and the time
 * after which an idle channel is forgotten, so neither counts.
 */
async function heapInUse(): Promise<number> {
  await pause(1500);
  const { snapshot, nodes } = JSON.parse(await text(getHeapSnapshot())) as HeapSnapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size] = [fields.indexOf('type'), fields.indexOf('self_size')];
  let bytes = 0;
  for (let at = 0; at < nodes.length; at += fields.length) if (!COMPILED.has(types[0][nodes[at + type]!]!)) bytes += nodes[at + size]!;
  return bytes;
}

async function soak(applications: Applications, breakOnce: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 2; i++) await round(applications, breakOnce);
  const before = await heapInUse();
  const endAt = performance.now() + MINUTES * 60_000;
  let rounds = 0;
  for (; rounds < ROUNDS || performance.now() < endAt; rounds++) await round(applications, breakOnce);
  const growth = (await heapInUse()) - before;
  console.info(`${rounds} rounds: the heap has grown by ${growth} bytes, ${applications.gaps.length} gaps`);
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
}

const TIMEOUT_MS = 90_000 + MINUTES * 70_000;

it('the heap of two applications does not grow with publishes, joins, calls, streams and outages', { timeout: TIMEOUT_MS }, async () => {
  await using redis: RedisServer = await startRedis();
  await using applications = await applicationsOn(redis.url);
  let count = 0;
  await soak(applications, async () => {
    const what = (['pubsub', 'normal'] as const)[count++ % 2] ?? 'normal';
    await redis.call('CLIENT', 'KILL', 'TYPE', what);
    await until(() => applications.servers.some(({ server }) => server.health().status !== 'ok')).catch(() => undefined); // the link was up again before the first check
  });
});

it('the heap of two applications does not grow with moved slots of a Redis Cluster', { timeout: TIMEOUT_MS }, async () => {
  await using cluster = await startRedisCluster({ replicas: 0 });
  await using applications = await applicationsOn(cluster.url);
  await soak(applications, async () => {
    const slot = Number(await cluster.nodes[0]!.call('CLUSTER', 'KEYSLOT', 'soak:{soak:all}'));
    const owner = await cluster.masterOf(slot);
    const to = (await cluster.masters()).find((master) => master !== owner);
    if (to) await cluster.moveSlot(slot, to);
  });
});
