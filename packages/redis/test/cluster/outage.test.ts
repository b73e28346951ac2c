import { startCluster, startRedis } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { Company, type Guest } from './guest.ts';
import type { Account, StageEvent } from './stage.ts';

const NODES = 4;
const PER_SECOND = 100;
const OUTAGE_MS = 5000;
/** Far above what a busy machine takes, and far below what would have waited for Redis. */
const LATE_MS = 2000;

const times = { heartbeatIntervalMs: 500, nodeTimeoutMs: 4000, redisTimeoutMs: 1000 };
const hubs = {
  waits: times,
  rejects: { ...times, onUnavailable: 'reject' },
  local: { ...times, onUnavailable: 'local-only' },
};
type HubName = keyof typeof hubs;
const nodeIds = Array.from({ length: NODES }, (_, i) => `node-${i + 1}`);

/** What one hub's guests have heard, and its nodes say. */
interface Hall {
  /** By node. */
  readonly guests: readonly (readonly Guest[])[];
  readonly accounts: readonly Account[];
  readonly events: readonly (readonly StageEvent[])[];
}

it(
  'serves everybody while Redis is dead for five seconds and back empty, and does with messages what each policy says',
  { timeout: 90_000 },
  async ({ onTestFailed }) => {
    await using redis = await startRedis({ onTestFailed });
    await using cluster = await startCluster({
      nodes: NODES,
      entry: new URL('./stage-node.ts', import.meta.url),
      redis,
      args: ['--hubs', JSON.stringify(hubs)],
      onTestFailed,
    });
    await using company = new Company();
    const seats = async (hub: HubName, perNode: number): Promise<readonly (readonly Guest[])[]> =>
      Promise.all(cluster.nodes.map(({ url }) => Promise.all(Array.from({ length: perNode }, () => company.seat(url, hub)))));
    const halls = { waits: await seats('waits', 2), rejects: await seats('rejects', 1), local: await seats('local', 1) };
    const speakers = Object.values(halls).flatMap(firstOfEach);
    await Promise.all(speakers.map((guest) => guest.invoke.begin(PER_SECOND)));
    const heard = (guest: Guest): readonly number[] => nodeIds.map((id) => guest.of(id).numbers.length);
    await expect.poll(() => speakers.every((guest) => heard(guest).every((count) => count > PER_SECOND))).toBe(true);

    const diedAt = performance.now();
    await redis.stop();
    await expect.poll(() => performance.now() - diedAt, { timeout: 2 * OUTAGE_MS, interval: 50 }).toBeGreaterThan(OUTAGE_MS);
    await redis.start();
    const before = speakers.map(heard);
    // Everybody hears everybody again, for a second.
    const isBack = (guest: Guest, i: number): boolean => heard(guest).every((count, j) => count > (before[i]?.[j] ?? 0) + PER_SECOND);
    await expect.poll(() => speakers.every(isBack), { timeout: 20_000 }).toBe(true);

    const hallOf = async (hub: HubName): Promise<Hall> => {
      const speaking = firstOfEach(halls[hub]);
      const accounts = await Promise.all(speaking.map((guest) => guest.invoke.end()));
      const isWhole = (guest: Guest): boolean => accounts.every(({ sent }, i) => guest.of(nodeIds[i] ?? '').numbers.at(-1) === sent - 1);
      await expect.poll(() => halls[hub].flat().every(isWhole)).toBe(true);
      const events = await Promise.all(speaking.map((guest) => guest.invoke.events()));
      return { guests: halls[hub], accounts, events };
    };
    for (const hub of Object.keys(hubs) as HubName[]) {
      const hall = await hallOf(hub);
      checkCommon(hub, hall);
      checks[hub](hall);
    }
  },
);

const firstOfEach = (guests: readonly (readonly Guest[])[]): readonly Guest[] => guests.flatMap((here) => here.slice(0, 1));

/** Nobody is disconnected, local delivery waits for nothing, nothing comes twice or out of order, and one outage is one warning. */
function checkCommon(hub: string, { guests, accounts, events }: Hall): void {
  /** How late local messages were, in milliseconds: before the outage, during it, and after, when what waited comes all at once. */
  const latest = { before: 0, during: 0, after: 0 };
  for (const [i, here] of guests.entries()) {
    for (const guest of here) {
      expect(guest.isConnected).toBe(true);
      for (const nodeId of nodeIds) {
        const { numbers } = guest.of(nodeId);
        expect(
          numbers.every((n, at) => at === 0 || n > (numbers[at - 1] ?? 0)),
          `${hub}: order of ${nodeId} at ${nodeIds[i]}`,
        ).toBe(true);
      }
      const { numbers, lateMs } = guest.of(nodeIds[i] ?? '');
      expect(numbers.length).toBe((accounts[i]?.sent ?? 0) - (numbers[0] ?? 0));
      const [downAt = 0, upAt = 0] = (['down', 'up'] as const).map((name) => events[i]?.find((event) => event.name === name)?.sent);
      numbers.forEach((n, at) => {
        const when =
          n < downAt ? 'before'
          : n < upAt ? 'during'
          : 'after';
        latest[when] = Math.max(latest[when], lateMs[at] ?? 0);
      });
    }
    const named = (name: StageEvent['name']) => events[i]?.filter((event) => event.name === name);
    expect(named('down')).toHaveLength(1);
    expect(named('up')).toHaveLength(1);
    expect(named('nodeLost')).toEqual([]);
    expect(named('error')).toEqual([]);
  }
  console.info(
    `${hub}: the latest local messages came after ${latest.before} ms, during the outage ${latest.during} ms, then ${latest.after} ms`,
  );
  for (const ms of Object.values(latest)) expect(ms).toBeLessThan(LATE_MS);
}

/** What guests at other nodes have missed of a node, from the first that they heard. */
function missedOf({ guests, accounts }: Hall, speaker: number): readonly number[] {
  const missed = new Set<number>();
  const remote = guests.flatMap((here, i) => (i === speaker ? [] : here));
  const { sent } = accounts[speaker] ?? { sent: 0 };
  for (const guest of remote) {
    const { numbers } = guest.of(nodeIds[speaker] ?? '');
    const heard = new Set(numbers);
    for (let n = numbers[0] ?? 0; n < sent; n++) if (!heard.has(n)) missed.add(n);
  }
  return [...missed].sort((a, b) => a - b);
}

const checks: Readonly<Record<HubName, (hall: Hall) => void>> = {
  /** The default: everything waits, and comes. */
  waits(hall) {
    nodeIds.forEach((nodeId, i) => {
      expect(missedOf(hall, i), nodeId).toEqual([]);
      expect(hall.accounts[i]?.refused).toEqual([]);
      const lateMs = Math.max(...hall.guests.flatMap((here, at) => (at === i ? [] : here.flatMap((guest) => guest.of(nodeId).lateMs))));
      expect(lateMs).toBeGreaterThan(OUTAGE_MS / 2); // something did wait
    });
  },
  /** Each loss is told to its sender. What was in flight at the end may be told and have come all the same. */
  rejects(hall) {
    nodeIds.forEach((nodeId, i) => {
      const missed = missedOf(hall, i);
      const refused = hall.accounts[i]?.refused ?? [];
      expect(missed.length, nodeId).toBeGreaterThan(((OUTAGE_MS / 1000) * PER_SECOND) / 2);
      expect(
        missed.filter((n) => !refused.includes(n)),
        nodeId,
      ).toEqual([]);
      const downAt = hall.events[i]?.find(({ name }) => name === 'down')?.sent ?? 0;
      const came = refused.filter((n) => !missed.includes(n));
      expect(
        came.every((n) => n < downAt && n > downAt - PER_SECOND),
        `${nodeId}: ${came.join()}, down at ${downAt}`,
      ).toBe(true);
      expect(hall.events[i]?.filter(({ name }) => name === 'lost')).toHaveLength(refused.length);
    });
  },
  /** Nobody is told, and nobody else hears it. */
  local(hall) {
    nodeIds.forEach((nodeId, i) => {
      expect(missedOf(hall, i).length, nodeId).toBeGreaterThan(0);
      expect(hall.accounts[i]?.refused, nodeId).toEqual([]);
    });
  },
};
