import { until } from '@hubline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RawClient, RawClientOptions } from './fixtures/raw-client.ts';
import { all, LONG_WAIT, RedisTestCluster, type StreamOptions } from './fixtures/redis-test-cluster.ts';

interface End {
  readonly missingNodes: readonly string[];
}
interface Outcome {
  readonly connectionId: string;
  readonly nodeId: string;
  readonly status: 'fulfilled' | 'rejected';
  readonly value?: unknown;
  readonly code?: string;
}

/** Yields the outcomes as they arrive, and adds the missing nodes to `end`. */
async function* outcomesOf(cluster: RedisTestCluster, { end, ...options }: StreamOptions & { end?: string[] }): AsyncGenerator<Outcome> {
  for await (const item of cluster.stream<Outcome | End>(1, 'invokeAll', options)) {
    if ('missingNodes' in item) end?.push(...item.missingNodes);
    else yield item;
  }
}

const EVERYBODY = { all: true };
const silent = (): void => undefined;
const failing = (client: RawClient, id: string): void => client.fail(id, 'No.');
const disconnecting = (client: RawClient): void => client.drop();

describe('invokeAll with a thousand clients on four nodes', () => {
  const EACH = 250;
  const LEASE_MS = 4000;

  it(
    'invokeAll has one outcome for each of a thousand clients, at the latest one query after the deadline, also if clients and nodes fail',
    { timeout: 120_000 },
    async ({ onTestFailed }) => {
      await using cluster = await RedisTestCluster.start({
        backplane: { heartbeatIntervalMs: 500, nodeTimeoutMs: LEASE_MS },
        onTestFailed,
      });
      const faulty: readonly RawClientOptions[] = [{ onInvocation: failing }, { onInvocation: silent }, { onInvocation: disconnecting }];
      const normal = (count: number): RawClientOptions[] => Array.from({ length: count }, () => ({}));
      const [near, mixed, frozen, killed] = await Promise.all([
        cluster.connectMany(1, normal(EACH)),
        cluster.connectMany(2, [...faulty, ...normal(EACH - faulty.length)]),
        cluster.connectMany(3, normal(EACH)),
        cluster.connectMany(4, normal(EACH)),
      ]);
      await cluster.untilCounted(4 * EACH);

      // The killed node's lease ends before the deadline, the frozen one's does not.
      await cluster.node(4).kill();
      const lease = (await cluster.redis.keys(`*:lease:${killed[0]!.process}.*`))[0]!;
      await until(async () => Number(await cluster.redis.call('PTTL', lease)) < 0.4 * LEASE_MS, LONG_WAIT);
      cluster.node(3).freeze();
      const timeoutMs = 0.7 * LEASE_MS;
      const askedAt = performance.now();
      const outcomes = await all(outcomesOf(cluster, { args: [EVERYBODY, { method: 'Result', timeoutMs }] }));
      const tookMs = performance.now() - askedAt;

      const expected = new Map<string, string>([
        ...near.map(({ id }) => [id, 'node-1 fulfilled 1'] as const),
        ...mixed.map(({ id }) => [id, 'node-2 fulfilled 1'] as const),
        ...frozen.map(({ id }) => [id, 'node-3 node_silent'] as const),
        ...killed.map(({ id }) => [id, 'node-4 node_lost'] as const),
      ]);
      ['client_error', 'call_timeout', 'connection_gone'].forEach((code, i) => expected.set(mixed[i]!.id, `node-2 ${code}`));
      const found = outcomes.map(({ connectionId, nodeId, status, value, code }) => {
        return [connectionId, `${nodeId} ${status === 'fulfilled' ? `fulfilled ${String(value)}` : code}`] as const;
      });
      expect(found).toHaveLength(4 * EACH);
      expect(new Map(found.toSorted())).toEqual(new Map([...expected].toSorted()));
      expect(tookMs).toBeLessThan(timeoutMs + 1000);

      // Outcomes of clients that answered do not wait for the lost node, and its outcomes do not wait for the frozen node.
      const order = found.map(([, text]) => text.slice(text.indexOf(' ') + 1));
      expect(order.lastIndexOf('fulfilled 1')).toBeLessThan(order.indexOf('node_lost'));
      expect(order.lastIndexOf('node_lost')).toBeLessThan(order.indexOf('node_silent'));
      expect(order.indexOf('client_error')).toBeLessThan(order.indexOf('node_lost'));
      expect(order.indexOf('connection_gone')).toBeLessThan(order.indexOf('node_lost'));

      // The first request reaches the frozen node late, so its clients only receive the second invocation.
      cluster.node(3).thaw();
      await cluster.untilCounted(3 * EACH - 1, [1, 2, 3]);
      const { items: again } = await cluster
        .node(2)
        .ask<{ readonly items: readonly Outcome[] }>('invokeAll', [EVERYBODY, 'Result', [], { timeoutMs: 5000 }]);
      expect(again.filter(({ status }) => status === 'fulfilled')).toHaveLength(3 * EACH - 3);
      expect(
        again
          .filter(({ status }) => status === 'rejected')
          .map(({ code }) => code)
          .sort(),
      ).toEqual(['call_timeout', 'client_error']);
      expect(frozen.map(({ invocations }) => invocations.length)).toEqual(frozen.map(() => 1));
    },
  );
});

describe('calls over three nodes', () => {
  let cluster: RedisTestCluster;
  beforeAll(async () => (cluster = await RedisTestCluster.start({ nodes: 3 })), 60_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  /** Connects two clients to each node, all in the group. */
  async function connectSix(group: string, onInvocation: NonNullable<RawClientOptions['onInvocation']>): Promise<RawClient[]> {
    const clients = await Promise.all([1, 1, 2, 2, 3, 3].map((number) => cluster.connect(number, { onInvocation })));
    await Promise.all(clients.map(({ id }) => cluster.node(1).ask('groups.add', [id, group])));
    return clients;
  }

  it('invokeAll yields a result while other clients have not answered yet', async () => {
    const clients = await connectSix('early', silent);
    const outcomes = outcomesOf(cluster, { args: [{ group: 'early' }, { method: 'Result', timeoutMs: 30_000 }] });
    const first = outcomes.next();
    await until(() => clients.every(({ invocations }) => invocations.length === 1), LONG_WAIT);
    const [late] = clients.splice(4, 1);
    late!.answer(late!.invocations[0]!, 'first');
    expect((await first).value).toEqual({ connectionId: late!.id, nodeId: 'node-3', status: 'fulfilled', value: 'first' });
    for (const client of clients) client.answer(client.invocations[0]!, 'later');
    expect((await all(outcomes)).map(({ connectionId }) => connectionId).sort()).toEqual(clients.map(({ id }) => id).sort());
  });

  it('an aborted signal cancels the invocations at the clients of every node', async () => {
    const clients = await connectSix('aborted', silent);
    const given = new AbortController();
    const args = [{ group: 'aborted' }, { method: 'Result', timeoutMs: 30_000 }];
    const outcomes = all(outcomesOf(cluster, { args, signal: given.signal }));
    await until(() => clients.every(({ invocations }) => invocations.length === 1), LONG_WAIT);
    given.abort();
    await outcomes;
    await until(() => clients.every(({ invocations, cancelled }) => cancelled.length === 1 && cancelled[0] === invocations[0]), LONG_WAIT);
    await until(async () => (await cluster.events(1)).some(({ event, code }) => event === 'refused' && code === 'cancelled'));
  });

  it('invokeOne with race calls all clients, returns the first result, and cancels the other calls', async () => {
    const clients = await connectSix('race', silent);
    const value = cluster
      .node(1)
      .ask('invokeOne', [{ group: 'race' }, 'Result', [], { race: true, timeoutMs: 30_000 }], { timeoutMs: 40_000 });
    await until(() => clients.every(({ invocations }) => invocations.length === 1), LONG_WAIT);
    const [refuses, wins] = clients.splice(3, 2);
    refuses!.fail(refuses!.invocations[0]!, 'Not me.');
    wins!.answer(wins!.invocations[0]!, 'won');
    expect(await value).toBe('won');
    await until(() => clients.every(({ cancelled }) => cancelled.length === 1), LONG_WAIT);
  });

  it('invokeOne calls one client at a time, on any node, until one returns a result', async () => {
    let open = 0;
    let most = 0;
    const order: string[] = [];
    const clients = await connectSix('one', (client, id) => {
      most = Math.max(most, ++open);
      order.push(client.id);
      setImmediate(() => {
        open--;
        if (order.length === 6) client.answer(id, 'the last one');
        else client.fail(id, 'Call another client.');
      });
    });
    expect(await cluster.node(2).ask('invokeOne', [{ group: 'one' }, 'Result', []])).toBe('the last one');
    expect(most).toBe(1);
    expect(order.toSorted()).toEqual(clients.map(({ id }) => id).sort());
    expect(order.slice(0, 2).sort()).toEqual(
      clients
        .slice(2, 4)
        .map(({ id }) => id)
        .sort(),
    ); // clients of its own node first
  });

  it('invokeOne calls the next client if one does not answer, and rejects with the causes if none returns a result', async () => {
    const clients = await connectSix('none', silent);
    // A node that reads a request after its time limit does not call its clients, so the limit allows for a busy machine.
    const options = { attemptMs: 1000, timeoutMs: 30_000 };
    const failure = cluster.node(1).ask('invokeOne', [{ group: 'none' }, 'Result', [], options], { timeoutMs: 40_000 });
    await expect(failure).rejects.toMatchObject({ code: 'no_client_responded', message: expect.stringContaining('6 asked') as string });
    await expect.poll(() => clients.map(({ invocations }) => invocations.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('invoke returns the result of a connection on any node', async () => {
    const client = await cluster.connect(3, { onInvocation: (self, id) => self.answer(id, { deep: ['ünï', 1] }) });
    const call = [{ connection: client.id }, 'Result', []];
    for (const number of [1, 2, 3]) expect(await cluster.node(number).ask('invoke', call)).toEqual({ deep: ['ünï', 1] });
  });

  it('invoke of a connection that disconnects, or is gone, rejects at once', async () => {
    const client = await cluster.connect(3, { onInvocation: disconnecting });
    const call = [{ connection: client.id }, 'Result', [], { timeoutMs: 30_000 }];
    const askedAt = performance.now();
    await expect(cluster.node(1).ask('invoke', call, { timeoutMs: 40_000 })).rejects.toMatchObject({ code: 'connection_gone' });
    for (const number of [1, 2, 3])
      await expect(cluster.node(number).ask('invoke', call)).rejects.toMatchObject({ code: 'connection_gone' });
    expect(performance.now() - askedAt).toBeLessThan(5000);
  });

  it('invoke of a connection on a killed node rejects when the node is lost, and after that at once', async () => {
    const client = await cluster.connect(3);
    await cluster.node(3).kill();
    const call = [{ connection: client.id }, 'Result', [], { timeoutMs: 30_000 }];
    await expect(cluster.node(1).ask('invoke', call, { timeoutMs: 40_000 })).rejects.toMatchObject({ code: 'node_lost' });
    const askedAt = performance.now();
    await expect(cluster.node(1).ask('invoke', call)).rejects.toMatchObject({ code: 'node_lost' });
    expect(performance.now() - askedAt).toBeLessThan(1000);
  });
});

it('invokeAll returns a node as missing if it did not answer and the directory became unavailable meanwhile', async ({ onTestFailed }) => {
  const backplane = { heartbeatIntervalMs: 5000, nodeTimeoutMs: 30_000 };
  await using cluster = await RedisTestCluster.start({ nodes: 2, links: true, backplane, onTestFailed });
  const [near, far] = [await cluster.connect(1), await cluster.connect(2)];
  cluster.node(2).freeze();
  const end: string[] = [];
  const found: Outcome[] = [];
  for await (const outcome of outcomesOf(cluster, { args: [EVERYBODY, { method: 'Result', timeoutMs: 3000 }], end })) {
    found.push(outcome);
    cluster.links[0]!.cut(); // node-2 has received the request and not answered
  }
  expect(found.map(({ connectionId, value }) => [connectionId, value])).toEqual([[near.id, 1]]);
  expect(end).toEqual(['node-2']);
  cluster.node(2).thaw();
  await cluster.links[0]!.heal();
  await cluster.untilCounted(2);
  const again = await all(outcomesOf(cluster, { args: [EVERYBODY, { method: 'Result', timeoutMs: 3000 }], end: end.splice(0) }));
  expect(again.map(({ connectionId }) => connectionId).sort()).toEqual([near.id, far.id].sort());
  expect(end).toEqual([]);
}, 60_000);
