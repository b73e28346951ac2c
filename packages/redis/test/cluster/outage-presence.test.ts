import { until } from '@hubline/testing';
import { expect, it } from 'vitest';
import { PATIENT, World } from './kit/world.ts';

/** `HUBLINE_CONNECTIONS=10000` measures with more. */
const CONNECTIONS = Number(process.env.HUBLINE_CONNECTIONS ?? 1000);
const NODES = 4;
const ROOMS = 10;
const DEAD_MS = 1000;
/** More connections take longer to make; what is promised is measured, and printed. */
const timeoutMs = 30_000 + 10 * CONNECTIONS;

const backplane = { heartbeatIntervalMs: 1000, nodeTimeoutMs: 10_000 };
const numbers = Array.from({ length: NODES }, (_, i) => i + 1);
const patient = { ...PATIENT, timeoutMs };

/** Connections over all nodes, each in four topics: all, its user's, and those of two attributes. */
async function crowded(world: World): Promise<void> {
  const each = Array.from({ length: CONNECTIONS / NODES }, (_, i) => i);
  await Promise.all(
    numbers.map((number) =>
      world.crowd(
        number,
        each.map((i) => ({ user: `user ${number} ${i}`, attributes: { room: `room ${i % ROOMS}`, role: `role ${number}` } })),
      ),
    ),
  );
  await complete(world);
}

/** Waits until every node knows everybody, in every topic. */
async function complete(world: World): Promise<void> {
  await Promise.all(
    numbers.map((number) =>
      until(async () => {
        const count = async (filter: object, value: number): Promise<void> => {
          expect(await world.count(number, filter), JSON.stringify(filter)).toEqual({ value, complete: true, missingNodes: [] });
        };
        await count({ all: true }, CONNECTIONS);
        await Promise.all(numbers.map((of) => count({ where: { role: `role ${of}` } }, CONNECTIONS / NODES)));
        await Promise.all(Array.from({ length: ROOMS }, (_, i) => count({ where: { room: `room ${i}` } }, CONNECTIONS / ROOMS)));
        expect(await world.isOnline(number, `user ${(number % NODES) + 1} ${CONNECTIONS / NODES - 1}`)).toBe(true);
        return true;
      }, patient),
    ),
  );
}

/** Has every node speak to everybody, and resolves when all have heard all. */
async function allHear(world: World, text: string): Promise<void> {
  await Promise.all(numbers.map((number) => world.send(number, { all: true }, `${text} ${number}`)));
  const heard = (told: readonly string[]): number => told.filter((one) => one.startsWith(text)).length;
  await until(() => [...world.clients].every(({ told }) => heard(told) === NODES), patient);
}

it(
  `knows and reaches ${CONNECTIONS} connections when Redis is back, empty`,
  async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: NODES, backplane, onTestFailed });
    await crowded(world);
    const diedAt = performance.now();
    await world.redis.stop();
    await until(() => performance.now() - diedAt > DEAD_MS, PATIENT);
    await world.redis.start();
    const backAt = performance.now();
    const ms = (): string => `${Math.round(performance.now() - backAt)} ms`;
    const [presence, routing] = await Promise.all([complete(world).then(ms), allHear(world, 'back').then(ms)]);
    console.info(`${CONNECTIONS} connections: presence complete after ${presence}, routing after ${routing}`);
    expect(world.clients.size).toBe(CONNECTIONS);
    for (const { told } of world.clients) expect([...told].sort()).toEqual(numbers.map((number) => `back ${number}`));
  },
  timeoutMs,
);

it(
  `knows and reaches ${CONNECTIONS} connections after a FLUSHALL`,
  async ({ onTestFailed }) => {
    await using world = await World.start({ nodes: NODES, backplane, onTestFailed });
    await crowded(world);
    await world.redis.flush();
    const flushedAt = performance.now();
    await complete(world);
    console.info(`${CONNECTIONS} connections: presence complete ${Math.round(performance.now() - flushedAt)} ms after a FLUSHALL`);
    await allHear(world, 'flushed');
    for (const number of numbers) expect((await world.happened(number)).filter(({ event }) => event === 'backplaneDown')).toEqual([]);
    expect(world.clients.size).toBe(CONNECTIONS);
  },
  timeoutMs,
);
