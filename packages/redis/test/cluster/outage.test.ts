import { startCluster, startRedis } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { programOf } from '../../../testing/src/redis/redis-server.ts';
import { isGarnet } from '../../../testing/src/redis/server-arguments.ts';
import { HubClients, type HubClient } from './fixtures/hub-client.ts';
import { pause } from './fixtures/pause.ts';
import type { SendReport, SenderEvent } from './fixtures/sender-hub.ts';

const NODES = 4;
const PER_SECOND = 100;
const OUTAGE_MS = 5000;
/** The greatest delay of a local message: more than a busy machine needs, and less than the outage. A starting Garnet takes the processor. */
const LATE_MS = isGarnet(programOf()) ? 4000 : 2000;

/** On a busy machine Garnet takes seconds to start, which add to the outage, and for its first answers, because .NET compiles their code. */
const times =
  isGarnet(programOf()) ?
    { heartbeatIntervalMs: 500, nodeTimeoutMs: 10_000, redisTimeoutMs: 5000 }
  : { heartbeatIntervalMs: 500, nodeTimeoutMs: 4000, redisTimeoutMs: 1000 };
const longWait = isGarnet(programOf()) ? { onUnavailable: { bufferMs: 30_000 } } : {};
const hubs = {
  waits: { ...times, ...longWait },
  rejects: { ...times, onUnavailable: 'reject' },
  local: { ...times, onUnavailable: 'local-only' },
};
type HubName = keyof typeof hubs;
const nodeIds = Array.from({ length: NODES }, (_, i) => `node-${i + 1}`);

/** The messages that the clients of one hub received, and the reports of its nodes. */
interface HubOutcome {
  /** By node. */
  readonly clients: readonly (readonly HubClient[])[];
  readonly reports: readonly SendReport[];
  readonly events: readonly (readonly SenderEvent[])[];
}

it(
  'nodes serve their clients while Redis is stopped for five seconds and restarted empty, and treat messages as each policy says',
  { timeout: 90_000 },
  async ({ onTestFailed }) => {
    await using redis = await startRedis({ onTestFailed });
    await using cluster = await startCluster({
      nodes: NODES,
      entry: new URL('./fixtures/sender-node.ts', import.meta.url),
      redis,
      args: ['--hubs', JSON.stringify(hubs)],
      onTestFailed,
    });
    await using hubClients = new HubClients();
    const connect = async (hub: HubName, perNode: number): Promise<readonly (readonly HubClient[])[]> =>
      Promise.all(cluster.nodes.map(({ url }) => Promise.all(Array.from({ length: perNode }, () => hubClients.connect(url, hub)))));
    const outcomes = { waits: await connect('waits', 2), rejects: await connect('rejects', 1), local: await connect('local', 1) };
    const senders = Object.values(outcomes).flatMap(firstOfEach);
    await Promise.all(senders.map((client) => client.invoke.startSending(PER_SECOND)));
    const received = (client: HubClient): readonly number[] => nodeIds.map((id) => client.receivedFrom(id).numbers.length);
    await expect.poll(() => senders.every((client) => received(client).every((count) => count > PER_SECOND))).toBe(true);

    await redis.stop();
    await pause(OUTAGE_MS);
    await redis.start();
    const before = senders.map(received);
    // Every client receives messages from every node again, for a second.
    const isBack = (client: HubClient, i: number): boolean =>
      received(client).every((count, j) => count > (before[i]?.[j] ?? 0) + PER_SECOND);
    await expect.poll(() => senders.every(isBack), { timeout: 20_000 }).toBe(true);

    const outcomeOf = async (hub: HubName): Promise<HubOutcome> => {
      const sending = firstOfEach(outcomes[hub]);
      const reports = await Promise.all(sending.map((client) => client.invoke.stopSending()));
      const isWhole = (client: HubClient): boolean =>
        reports.every(({ sent }, i) => client.receivedFrom(nodeIds[i] ?? '').numbers.at(-1) === sent - 1);
      await expect.poll(() => outcomes[hub].flat().every(isWhole)).toBe(true);
      const events = await Promise.all(sending.map((client) => client.invoke.events()));
      return { clients: outcomes[hub], reports, events };
    };
    for (const hub of Object.keys(hubs) as HubName[]) {
      const outcome = await outcomeOf(hub);
      checkCommon(hub, outcome);
      checks[hub](outcome);
    }
  },
);

const firstOfEach = (clients: readonly (readonly HubClient[])[]): readonly HubClient[] => clients.flatMap((here) => here.slice(0, 1));

/** Expects that no client was disconnected, local messages were on time, no message was doubled or reordered, and one outage was reported. */
function checkCommon(hub: string, { clients, reports, events }: HubOutcome): void {
  /** The greatest delay of local messages in milliseconds: before, during and after the outage. Afterwards all waiting messages arrive at once. */
  const latest = { before: 0, during: 0, after: 0 };
  for (const [i, here] of clients.entries()) {
    for (const client of here) {
      expect(client.isConnected).toBe(true);
      for (const nodeId of nodeIds) {
        const { numbers } = client.receivedFrom(nodeId);
        expect(
          numbers.every((n, at) => at === 0 || n > (numbers[at - 1] ?? 0)),
          `${hub}: order of ${nodeId} at ${nodeIds[i]}`,
        ).toBe(true);
      }
      const { numbers, lateMs } = client.receivedFrom(nodeIds[i] ?? '');
      expect(numbers.length).toBe((reports[i]?.sent ?? 0) - (numbers[0] ?? 0));
      const [downAt = 0, upAt = 0] = (['down', 'up'] as const).map((name) => events[i]?.find((event) => event.name === name)?.sent);
      numbers.forEach((n, at) => {
        const when =
          n < downAt ? 'before'
          : n < upAt ? 'during'
          : 'after';
        latest[when] = Math.max(latest[when], lateMs[at] ?? 0);
      });
    }
    const named = (name: SenderEvent['name']) => events[i]?.filter((event) => event.name === name);
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

/** The numbers of a node that clients of other nodes missed, counted from the first number that they received. */
function missedOf({ clients, reports }: HubOutcome, sender: number): readonly number[] {
  const missed = new Set<number>();
  const remote = clients.flatMap((here, i) => (i === sender ? [] : here));
  const { sent } = reports[sender] ?? { sent: 0 };
  for (const client of remote) {
    const { numbers } = client.receivedFrom(nodeIds[sender] ?? '');
    const received = new Set(numbers);
    for (let n = numbers[0] ?? 0; n < sent; n++) if (!received.has(n)) missed.add(n);
  }
  return [...missed].sort((a, b) => a - b);
}

const checks: Readonly<Record<HubName, (outcome: HubOutcome) => void>> = {
  /** The default: all messages wait and arrive. */
  waits(outcome) {
    nodeIds.forEach((nodeId, i) => {
      expect(missedOf(outcome, i), nodeId).toEqual([]);
      expect(outcome.reports[i]?.refused).toEqual([]);
      const lateMs = Math.max(
        ...outcome.clients.flatMap((here, at) => (at === i ? [] : here.flatMap((client) => client.receivedFrom(nodeId).lateMs))),
      );
      expect(lateMs).toBeGreaterThan(OUTAGE_MS / 2); // messages did wait
    });
  },
  /** Every lost message is reported to its sender. A message that was in flight when the link went down may be reported and arrive. */
  rejects(outcome) {
    nodeIds.forEach((nodeId, i) => {
      const missed = missedOf(outcome, i);
      const refused = outcome.reports[i]?.refused ?? [];
      expect(missed.length, nodeId).toBeGreaterThan(((OUTAGE_MS / 1000) * PER_SECOND) / 2);
      expect(
        missed.filter((n) => !refused.includes(n)),
        nodeId,
      ).toEqual([]);
      const downAt = outcome.events[i]?.find(({ name }) => name === 'down')?.sent ?? 0;
      const came = refused.filter((n) => !missed.includes(n));
      expect(
        came.every((n) => n < downAt && n > downAt - PER_SECOND),
        `${nodeId}: ${came.join()}, down at ${downAt}`,
      ).toBe(true);
      expect(outcome.events[i]?.filter(({ name }) => name === 'lost')).toHaveLength(refused.length);
    });
  },
  /** No loss is reported, and the other nodes receive no message. */
  local(outcome) {
    nodeIds.forEach((nodeId, i) => {
      expect(missedOf(outcome, i).length, nodeId).toBeGreaterThan(0);
      expect(outcome.reports[i]?.refused, nodeId).toEqual([]);
    });
  },
};
