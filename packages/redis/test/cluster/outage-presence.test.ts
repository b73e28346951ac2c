import { until } from '@hubline/testing';
import { expect, it } from 'vitest';
import { pause } from './fixtures/pause.ts';
import { LONG_WAIT, RedisTestCluster } from './fixtures/redis-test-cluster.ts';

/** `HUBLINE_CONNECTIONS=10000` runs more connections. */
const CONNECTIONS = Number(process.env.HUBLINE_CONNECTIONS ?? 1000);
const NODES = 4;
const ROOMS = 10;
const OUTAGE_MS = 1000;
/** Opening more connections takes longer. The measured recovery times are printed. */
const timeoutMs = 30_000 + 10 * CONNECTIONS;

const backplane = { heartbeatIntervalMs: 1000, nodeTimeoutMs: 10_000 };
const numbers = Array.from({ length: NODES }, (_, i) => i + 1);
const longWait = { ...LONG_WAIT, timeoutMs };

/** Opens the connections on all nodes, each in four topics: all, its user, and two attributes. */
async function connectAll(cluster: RedisTestCluster): Promise<void> {
  const each = Array.from({ length: CONNECTIONS / NODES }, (_, i) => i);
  await Promise.all(
    numbers.map((number) =>
      cluster.connectMany(
        number,
        each.map((i) => ({ user: `user ${number} ${i}`, attributes: { room: `room ${i % ROOMS}`, role: `role ${number}` } })),
      ),
    ),
  );
  await untilComplete(cluster);
}

/** Waits until every node counts all connections in every topic. */
async function untilComplete(cluster: RedisTestCluster): Promise<void> {
  await Promise.all(
    numbers.map((number) =>
      until(async () => {
        const count = async (filter: object, value: number): Promise<void> => {
          expect(await cluster.count(number, filter), JSON.stringify(filter)).toEqual({ value, complete: true, missingNodes: [] });
        };
        await count({ all: true }, CONNECTIONS);
        await Promise.all(numbers.map((of) => count({ where: { role: `role ${of}` } }, CONNECTIONS / NODES)));
        await Promise.all(Array.from({ length: ROOMS }, (_, i) => count({ where: { room: `room ${i}` } }, CONNECTIONS / ROOMS)));
        expect(await cluster.isOnline(number, `user ${(number % NODES) + 1} ${CONNECTIONS / NODES - 1}`)).toBe(true);
        return true;
      }, longWait),
    ),
  );
}

/** Sends a message to all connections from every node, and resolves when all have received them. */
async function sendFromAllNodes(cluster: RedisTestCluster, text: string): Promise<void> {
  await Promise.all(numbers.map((number) => cluster.send(number, { all: true }, `${text} ${number}`)));
  const count = (received: readonly string[]): number => received.filter((one) => one.startsWith(text)).length;
  await until(() => [...cluster.clients].every(({ received }) => count(received) === NODES), longWait);
}

it(
  `presence and routing of ${CONNECTIONS} connections are complete after Redis restarted empty`,
  async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: NODES, backplane, onTestFailed });
    await connectAll(cluster);
    await cluster.redis.stop();
    await pause(OUTAGE_MS);
    await cluster.redis.start();
    const backAt = performance.now();
    const ms = (): string => `${Math.round(performance.now() - backAt)} ms`;
    const [presence, routing] = await Promise.all([untilComplete(cluster).then(ms), sendFromAllNodes(cluster, 'back').then(ms)]);
    console.info(`${CONNECTIONS} connections: presence complete after ${presence}, routing after ${routing}`);
    expect(cluster.clients.size).toBe(CONNECTIONS);
    for (const { received } of cluster.clients) expect([...received].sort()).toEqual(numbers.map((number) => `back ${number}`));
  },
  timeoutMs,
);

it(
  `presence and routing of ${CONNECTIONS} connections are complete after a FLUSHALL`,
  async ({ onTestFailed }) => {
    await using cluster = await RedisTestCluster.start({ nodes: NODES, backplane, onTestFailed });
    await connectAll(cluster);
    await cluster.redis.flush();
    const flushedAt = performance.now();
    await untilComplete(cluster);
    console.info(`${CONNECTIONS} connections: presence complete ${Math.round(performance.now() - flushedAt)} ms after a FLUSHALL`);
    await sendFromAllNodes(cluster, 'flushed');
    for (const number of numbers) expect((await cluster.events(number)).filter(({ event }) => event === 'backplaneDown')).toEqual([]);
    expect(cluster.clients.size).toBe(CONNECTIONS);
  },
  timeoutMs,
);
