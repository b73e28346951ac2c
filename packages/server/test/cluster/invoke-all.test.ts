import type { Outcome, Target } from '@hubline/server';
import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { openRequests, NONE_OPEN } from './open-requests.ts';
import { threeNodes, type TargetParts } from './three-nodes.ts';

/** Returns `<connection> <node>: <value or code>` for each outcome, sorted. */
const lines = (outcomes: readonly Outcome<string>[]): readonly string[] =>
  outcomes
    .map((outcome) => `${outcome.connectionId} ${outcome.nodeId}: ${outcome.status === 'fulfilled' ? outcome.value : outcome.code}`)
    .sort();
const never = () => new Promise<string>(() => undefined);
const fails = (): string => {
  throw new Error('no!');
};

describe('invokeAll', () => {
  it('invokeAll gives each client exactly one outcome: near, far, throwing, silent and vanished clients, on frozen and lost nodes', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b, c } = nodes;
    const [frozen, lost] = [await world.start('frozen'), await world.start('lost')];
    const near = await world.client(a, { answer: () => 'near' });
    const throwing = await world.client(b, { answer: fails });
    const silent = await world.client(b, { answer: never });
    const vanishing = await world.client(c, { answer: never });
    const far = await world.client(c, { answer: async () => 'far' });
    const onFrozen = await Promise.all([world.client(frozen), world.client(frozen)]);
    const onLost = await Promise.all([world.client(lost), world.client(lost)]);
    world.faults.freeze('frozen');
    world.faults.freeze('lost'); // it is lost before it has replied with its clients

    const startedAt = clock.now();
    const timeoutMs = 100_000;
    const outcomes = a.hub.clients.all.with({ timeoutMs }).invokeAll.confirm('?');
    const soon: Outcome<string>[] = [];
    const reading = (async () => {
      for await (const outcome of outcomes) soon.push(outcome);
    })();
    await until(() => vanishing.asked.length === 1);
    vanishing.drop();
    world.faults.expire('lost');
    // These outcomes arrive before the deadline.
    const known = [
      `${near.id} a: near`,
      `${throwing.id} b: client_error`,
      `${vanishing.id} c: connection_gone`,
      `${far.id} c: far`,
      ...onLost.map(({ id }) => `${id} lost: node_lost`),
    ].sort();
    await until(() => {
      clock.advance(1);
      return soon.length === known.length;
    });
    expect(lines(soon)).toEqual(known);
    expect(clock.now() - startedAt).toBeLessThan(timeoutMs / 2);

    clock.advance(timeoutMs);

    const all = [...known, `${silent.id} b: call_timeout`, ...onFrozen.map(({ id }) => `${id} frozen: node_silent`)].sort();
    expect(lines((await outcomes).items)).toEqual(all);
    await reading;
    expect(lines(soon)).toEqual(all);
    expect(await outcomes).toMatchObject({ complete: true, missingNodes: [] });
    await until(() => openRequests().clientCalls === 0);
    clock.advance(1000); // ends the lingering subscriptions
    expect(clock.running).toBe(0);
    world.faults.thaw('frozen'); // it reads the request after the deadline, and does not call its clients
    a.hub.clients.all.send.said('later');
    await until(() => onFrozen.every(({ said }) => said.length === 1));
    expect(onFrozen.map(({ asked }) => asked)).toEqual([[], []]);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invokeAll yields outcomes as they arrive, the slowest last', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const answers = new Map<string, (text: string) => void>();
    const slow = (name: string) => () => new Promise<string>((resolve) => answers.set(name, resolve));
    await world.client(a, { answer: slow('third') });
    await world.client(b, { answer: () => 'first' });
    await world.client(b, { answer: slow('fourth') });
    await world.client(c, { answer: slow('second') });
    const order = ['second', 'third', 'fourth'];
    const seen: unknown[] = [];
    for await (const outcome of a.hub.clients.all.invokeAll.confirm('?')) {
      seen.push(outcome.status === 'fulfilled' && outcome.value);
      const next = order.shift();
      if (next === undefined) continue;
      await until(() => answers.has(next));
      answers.get(next)?.(next);
    }
    expect(seen).toEqual(['first', 'second', 'third', 'fourth']);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invokeAll cancels the other calls when the loop is left or the signal aborts', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    await world.client(b, { answer: () => 'fast' });
    const extensions = { hubline: 1 };
    const slow = await Promise.all([a, b, c].map((node) => world.client(node, { answer: never, extensions })));
    for await (const outcome of a.hub.clients.all.invokeAll.confirm('?')) {
      expect(outcome).toMatchObject({ status: 'fulfilled', value: 'fast' });
      await until(() => slow.every(({ asked }) => asked.length === 1));
      break;
    }
    await until(() => slow.every(({ cancelled }) => cancelled.length === 1));
    expect(openRequests()).toEqual(NONE_OPEN);

    const over = new AbortController();
    const outcomes = a.hub.clients.all.with({ signal: over.signal }).invokeAll.confirm('?');
    await until(() => slow.every(({ asked }) => asked.length === 2));
    over.abort();
    await expect(outcomes).rejects.toMatchObject({ code: 'cancelled' });
    await until(() => slow.every(({ cancelled }) => cancelled.length === 2));
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invokeAll calls exactly the clients that its target names', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const answer = () => 'yes';
    const [ann, bob, cat] = [
      await world.client(a, { answer, user: 'u', role: 'x' }),
      await world.client(b, { answer, user: 'u' }),
      await world.client(c, { answer, role: 'x' }),
    ];
    await Promise.all([bob, cat].map((client) => client.call('join', 'g')));
    const { clients } = a.hub;
    const cases = [
      [clients.group('nobody'), []],
      [clients.user('u'), [ann, bob]],
      [clients.where({ role: 'x' }), [ann, cat]],
      [clients.all.except(bob.id), [ann, cat]],
      [clients.allOf(clients.group('g'), clients.where({ role: 'x' })), [cat]],
      [clients.anyOf(clients.group('g'), clients.user('u')), [ann, bob, cat]],
    ] as const;
    for (const [target, expected] of cases) {
      const { items: outcomes } = await target.invokeAll.confirm('?');
      expect(outcomes.map(({ connectionId }) => connectionId).sort()).toEqual(expected.map(({ id }) => id).sort());
      expect(outcomes.every(({ status }) => status === 'fulfilled')).toBe(true);
    }
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invokeAll has an outcome for every connection and user that its target lists, also for absent ones', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const [ann, bob] = [
      await world.client(a, { answer: () => 'yes', user: 'ann' }),
      await world.client(b, { answer: () => 'yes', user: 'bob' }),
    ];
    const dead = await world.start('dead');
    const departed = await world.client(dead, { user: 'departed' });
    await dead.server.close();
    const onLost = await world.client(c, { user: 'lost' });
    world.faults.expire('c');
    await until(async () => (await a.server.nodes()).items.length === 2);
    const { clients } = a.hub;
    const outcomesOf = async (target: Target<TargetParts>): Promise<readonly string[]> =>
      (await target.invokeAll.confirm('?')).items
        .map((outcome) => {
          const { status, connectionId, nodeId } = outcome;
          return status === 'fulfilled' ?
              `${connectionId} ${nodeId}`
            : `${outcome.code} ${outcome.code === 'absent' ? outcome.userId : connectionId}`;
        })
        .sort();
    expect(await outcomesOf(clients.connection('nobody'))).toEqual(['connection_gone nobody']);
    expect(await outcomesOf(clients.connection(departed.id))).toEqual([`node_lost ${departed.id}`]);
    expect(await outcomesOf(clients.anyOf(...([ann, bob, onLost].map(({ id }) => clients.connection(id)) as [never])))).toEqual(
      [`${ann.id} a`, `${bob.id} b`, `node_lost ${onLost.id}`].sort(),
    );
    const users = clients.matching({ anyOf: ['ann', 'bob', 'lost', 'nobody'].map((user) => ({ user })) });
    const answered = [`${ann.id} a`, `${bob.id} b`].sort();
    expect(await outcomesOf(users)).toEqual([...answered, 'absent lost', 'absent nobody'].sort());
    // Targets may list connections and users in several steps, with exceptions.
    const nested = clients.anyOf(clients.anyOf({ user: 'ann' }, { user: 'nobody' }), { connection: 'gone' }).except(ann.id);
    expect(await outcomesOf(nested)).toEqual(['absent nobody', 'connection_gone gone']);
    expect(await outcomesOf(clients.group('nobody'))).toEqual([]);
    await expect(users.invokeOne.confirm('?')).resolves.toBe('yes');
    await expect(clients.user('nobody').invokeOne.confirm('?')).rejects.toMatchObject({
      code: 'no_client_responded',
      details: { causes: [] },
    });
    // While nodes are unreachable, no outcome says that a user is absent.
    world.faults.cut('a');
    const cut = await users.invokeAll.confirm('?');
    expect(cut).toMatchObject({ items: [{ connectionId: ann.id }], complete: false, missingNodes: ['b'] });
  });

  it('invokeAll names the nodes that it cannot reach', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const near = await world.client(a, { answer: () => 'near' });
    await world.client(b, { answer: () => 'far' });
    world.faults.cut('a');
    const cut = await a.hub.clients.all.invokeAll.confirm('?');
    expect(lines(cut.items)).toEqual([`${near.id} a: near`]);
    expect(cut).toMatchObject({ complete: false, missingNodes: ['b', 'c'] });
    world.faults.heal('a');
    world.faults.freeze('a'); // now the directory does not answer either
    const frozen = await a.hub.clients.all.with({ timeoutMs: 50 }).invokeAll.confirm('?');
    expect({ ...frozen, missingNodes: [...frozen.missingNodes].sort() }).toEqual({
      items: [],
      complete: false,
      missingNodes: ['a', 'b', 'c'],
    });
  });

  it('invokeAll rejects arguments that cannot be encoded, before any client is called', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b, { answer: () => 'far' });
    await expect(a.hub.clients.all.invokeAll.confirm(1n)).rejects.toMatchObject({ code: 'not_encodable' });
    expect(lines((await a.hub.clients.all.invokeAll.confirm('?')).items)).toEqual([`${far.id} b: far`]);
    expect(far.asked.map(({ question }) => question)).toEqual(['?']);
    expect(openRequests()).toEqual(NONE_OPEN);
  });
});
