import { until } from '@hubline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client, ClientOptions } from './kit/client.ts';
import { all, PATIENT, World, type StreamOptions } from './kit/world.ts';

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

/** The outcomes as they come; the nodes that were missing are kept in `end`. */
async function* outcomesOf(world: World, { end, ...options }: StreamOptions & { end?: string[] }): AsyncGenerator<Outcome> {
  for await (const item of world.stream<Outcome | End>(1, 'invokeAll', options)) {
    if ('missingNodes' in item) end?.push(...item.missingNodes);
    else yield item;
  }
}

const EVERYBODY = { all: true };
const silent = (): void => undefined;
const throwing = (client: Client, id: string): void => client.fail(id, 'No.');
const vanishing = (client: Client): void => client.drop();

describe('a thousand clients on four nodes', () => {
  const EACH = 250;
  const LEASE_MS = 4000;

  it(
    'have one outcome each, within the deadline, whatever became of them and their nodes',
    { timeout: 120_000 },
    async ({ onTestFailed }) => {
      await using world = await World.start({ backplane: { heartbeatIntervalMs: 500, nodeTimeoutMs: LEASE_MS }, onTestFailed });
      const strange: readonly ClientOptions[] = [{ asked: throwing }, { asked: silent }, { asked: vanishing }];
      const normal = (count: number): ClientOptions[] => Array.from({ length: count }, () => ({}));
      const [near, mixed, frozen, killed] = await Promise.all([
        world.crowd(1, normal(EACH)),
        world.crowd(2, [...strange, ...normal(EACH - strange.length)]),
        world.crowd(3, normal(EACH)),
        world.crowd(4, normal(EACH)),
      ]);
      await world.counted(4 * EACH);

      // The killed node's lease ends before the deadline, the frozen one's does not.
      await world.node(4).kill();
      const lease = (await world.redis.keys(`*:lease:${killed[0]!.process}.*`))[0]!;
      await until(async () => Number(await world.redis.call('PTTL', lease)) < 0.4 * LEASE_MS, PATIENT);
      world.node(3).freeze();
      const timeoutMs = 0.7 * LEASE_MS;
      const askedAt = performance.now();
      const outcomes = await all(outcomesOf(world, { args: [EVERYBODY, { method: 'Result', timeoutMs }] }));
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

      // As they arrive: nobody who answered waited for the dead, and these not for the frozen.
      const order = found.map(([, text]) => text.slice(text.indexOf(' ') + 1));
      expect(order.lastIndexOf('fulfilled 1')).toBeLessThan(order.indexOf('node_lost'));
      expect(order.lastIndexOf('node_lost')).toBeLessThan(order.indexOf('node_silent'));
      expect(order.indexOf('client_error')).toBeLessThan(order.indexOf('node_lost'));
      expect(order.indexOf('connection_gone')).toBeLessThan(order.indexOf('node_lost'));

      // The question waited for the frozen node. It is late, so its clients are asked by the next one only.
      world.node(3).thaw();
      await world.counted(3 * EACH - 1, [1, 2, 3]);
      const { items: again } = await world
        .node(2)
        .ask<{ readonly items: readonly Outcome[] }>('invokeAll', [EVERYBODY, 'Result', [], { timeoutMs: 5000 }]);
      expect(again.filter(({ status }) => status === 'fulfilled')).toHaveLength(3 * EACH - 3);
      expect(
        again
          .filter(({ status }) => status === 'rejected')
          .map(({ code }) => code)
          .sort(),
      ).toEqual(['call_timeout', 'client_error']);
      expect(frozen.map(({ asked }) => asked.length)).toEqual(frozen.map(() => 1));
    },
  );
});

describe('over three nodes', () => {
  let world: World;
  beforeAll(async () => (world = await World.start({ nodes: 3 })), 60_000);
  afterAll(() => world[Symbol.asyncDispose]());

  /** Two clients on each node, in a group of their own. */
  async function six(group: string, asked: NonNullable<ClientOptions['asked']>): Promise<Client[]> {
    const clients = await Promise.all([1, 1, 2, 2, 3, 3].map((number) => world.connect(number, { asked })));
    await Promise.all(clients.map(({ id }) => world.node(1).ask('groups.add', [id, group])));
    return clients;
  }

  it('results come while others are still awaited', async () => {
    const clients = await six('early', silent);
    const outcomes = outcomesOf(world, { args: [{ group: 'early' }, { method: 'Result', timeoutMs: 30_000 }] });
    const first = outcomes.next();
    await until(() => clients.every(({ asked }) => asked.length === 1), PATIENT);
    const [late] = clients.splice(4, 1);
    late!.answer(late!.asked[0]!, 'first');
    expect((await first).value).toEqual({ connectionId: late!.id, nodeId: 'node-3', status: 'fulfilled', value: 'first' });
    for (const client of clients) client.answer(client.asked[0]!, 'later');
    expect((await all(outcomes)).map(({ connectionId }) => connectionId).sort()).toEqual(clients.map(({ id }) => id).sort());
  });

  it('a signal that aborts calls it off on every node', async () => {
    const clients = await six('aborted', silent);
    const given = new AbortController();
    const args = [{ group: 'aborted' }, { method: 'Result', timeoutMs: 30_000 }];
    const outcomes = all(outcomesOf(world, { args, signal: given.signal }));
    await until(() => clients.every(({ asked }) => asked.length === 1), PATIENT);
    given.abort();
    await outcomes;
    await until(() => clients.every(({ asked, cancelled }) => cancelled.length === 1 && cancelled[0] === asked[0]), PATIENT);
    await until(async () => (await world.happened(1)).some(({ event, code }) => event === 'refused' && code === 'cancelled'));
  });

  it('a race asks everybody, gives the first result, and calls off the rest', async () => {
    const clients = await six('race', silent);
    const value = world
      .node(1)
      .ask('invokeOne', [{ group: 'race' }, 'Result', [], { race: true, timeoutMs: 30_000 }], { timeoutMs: 40_000 });
    await until(() => clients.every(({ asked }) => asked.length === 1), PATIENT);
    const [refuses, wins] = clients.splice(3, 2);
    refuses!.fail(refuses!.asked[0]!, 'Not me.');
    wins!.answer(wins!.asked[0]!, 'won');
    expect(await value).toBe('won');
    await until(() => clients.every(({ cancelled }) => cancelled.length === 1), PATIENT);
  });

  it('invokeOne asks one client at a time, on whatever node, until one gives a result', async () => {
    let open = 0;
    let most = 0;
    const order: string[] = [];
    const clients = await six('one', (client, id) => {
      most = Math.max(most, ++open);
      order.push(client.id);
      setImmediate(() => {
        open--;
        if (order.length === 6) client.answer(id, 'the last one');
        else client.fail(id, 'Ask somebody else.');
      });
    });
    expect(await world.node(2).ask('invokeOne', [{ group: 'one' }, 'Result', []])).toBe('the last one');
    expect(most).toBe(1);
    expect(order.toSorted()).toEqual(clients.map(({ id }) => id).sort());
    expect(order.slice(0, 2).sort()).toEqual(
      clients
        .slice(2, 4)
        .map(({ id }) => id)
        .sort(),
    ); // those of its own node first
  });

  it('invokeOne goes on when one says nothing, and names the cause of each when nobody gives a result', async () => {
    const clients = await six('none', silent);
    // A node that reads a question after its time does not ask: long enough for a busy machine.
    const options = { attemptMs: 1000, timeoutMs: 30_000 };
    const failure = world.node(1).ask('invokeOne', [{ group: 'none' }, 'Result', [], options], { timeoutMs: 40_000 });
    await expect(failure).rejects.toMatchObject({ code: 'no_client_responded', message: expect.stringContaining('6 asked') as string });
    await expect.poll(() => clients.map(({ asked }) => asked.length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('a call to one connection gets what it gave, wherever it is', async () => {
    const client = await world.connect(3, { asked: (self, id) => self.answer(id, { deep: ['ünï', 1] }) });
    const call = [{ connection: client.id }, 'Result', []];
    for (const number of [1, 2, 3]) expect(await world.node(number).ask('invoke', call)).toEqual({ deep: ['ünï', 1] });
  });

  it('a call to a connection that vanishes, or has, fails at once', async () => {
    const client = await world.connect(3, { asked: vanishing });
    const call = [{ connection: client.id }, 'Result', [], { timeoutMs: 30_000 }];
    const askedAt = performance.now();
    await expect(world.node(1).ask('invoke', call, { timeoutMs: 40_000 })).rejects.toMatchObject({ code: 'connection_gone' });
    for (const number of [1, 2, 3]) await expect(world.node(number).ask('invoke', call)).rejects.toMatchObject({ code: 'connection_gone' });
    expect(performance.now() - askedAt).toBeLessThan(5000);
  });

  it('a call to a connection on a killed node fails when that node is lost, and later at once', async () => {
    const client = await world.connect(3);
    await world.node(3).kill();
    const call = [{ connection: client.id }, 'Result', [], { timeoutMs: 30_000 }];
    await expect(world.node(1).ask('invoke', call, { timeoutMs: 40_000 })).rejects.toMatchObject({ code: 'node_lost' });
    const askedAt = performance.now();
    await expect(world.node(1).ask('invoke', call)).rejects.toMatchObject({ code: 'node_lost' });
    expect(performance.now() - askedAt).toBeLessThan(1000);
  });
});

it('names the nodes whose clients it cannot even name, because the directory has gone meanwhile', async ({ onTestFailed }) => {
  const backplane = { heartbeatIntervalMs: 5000, nodeTimeoutMs: 30_000 };
  await using world = await World.start({ nodes: 2, links: true, backplane, onTestFailed });
  const [near, far] = [await world.connect(1), await world.connect(2)];
  world.node(2).freeze();
  const end: string[] = [];
  const found: Outcome[] = [];
  for await (const outcome of outcomesOf(world, { args: [EVERYBODY, { method: 'Result', timeoutMs: 3000 }], end })) {
    found.push(outcome);
    world.links[0]!.cut(); // node-2 has been asked, and has said nothing
  }
  expect(found.map(({ connectionId, value }) => [connectionId, value])).toEqual([[near.id, 1]]);
  expect(end).toEqual(['node-2']);
  world.node(2).thaw();
  await world.links[0]!.heal();
  await world.counted(2);
  const again = await all(outcomesOf(world, { args: [EVERYBODY, { method: 'Result', timeoutMs: 3000 }], end: end.splice(0) }));
  expect(again.map(({ connectionId }) => connectionId).sort()).toEqual([near.id, far.id].sort());
  expect(end).toEqual([]);
}, 60_000);
