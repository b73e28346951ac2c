import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { openRequests, NONE_OPEN } from './open-requests.ts';
import type { RawClient } from './raw-client.ts';
import { threeNodes, type Node } from './three-nodes.ts';

/** Resolves when the node of the client has read all earlier messages. */
async function allRead(from: Node, client: RawClient): Promise<void> {
  const count = client.said.length;
  from.hub.clients.connection(client.id).send.said('caught up');
  await until(() => client.said.length > count);
}

describe.each(['first', 'later'])('a node that reads the %s request of another node late', (which) => {
  async function world() {
    const clock = new ManualClock();
    const nodes = await threeNodes({ clock });
    const { a, b, c } = nodes;
    const late = await nodes.world.client(b, { answer: () => 'late' });
    const other = await nodes.world.client(c, { answer: () => 'other' });
    if (which === 'later') await a.hub.clients.all.invokeAll.confirm('before');
    const before = late.asked.length;
    return { ...nodes, clock, late, other, asked: () => late.asked.length - before };
  }

  it('a node that reads a request late does not call its clients after the time limit, so invokeOne runs on one client', async () => {
    await using nodes = await world();
    const { a, clock, late, other } = nodes;
    const target = a.hub.clients.anyOf(...([late, other].map(({ id }) => a.hub.clients.connection(id)) as [never]));
    // The client of `b` has the lower id and is called first, or the other one answers first.
    nodes.world.faults.freeze('b');
    const one = target.with({ attemptMs: 50, timeoutMs: 10_000 }).invokeOne.confirm('?');
    const all = a.hub.clients.connection(late.id).with({ timeoutMs: 50 }).invokeAll.confirm('?');
    let settled = 0;
    for (const call of [one, all]) void call.then(() => settled++);
    await until(() => {
      clock.advance(1);
      return settled === 2;
    });
    expect(await one).toBe('other');
    expect((await all).items).toMatchObject([{ code: 'node_silent' }]);
    nodes.world.faults.thaw('b');
    await allRead(a, late);
    expect(nodes.asked()).toBe(0);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('a node that reads a request late calls its clients while the caller still waits', async () => {
    await using nodes = await world();
    const { a, clock, late } = nodes;
    nodes.world.faults.freeze('b');
    const call = a.hub.clients.connection(late.id).with({ timeoutMs: 10_000 }).invoke.confirm('?');
    await until(() => openRequests().nodeRequests > 0);
    clock.advance(9000);
    nodes.world.faults.thaw('b');
    expect(await call).toBe('late');
    expect(nodes.asked()).toBe(1);
  });

  it('a node that reads a request late reads a cancel that follows the request before it calls the client', async () => {
    await using nodes = await world();
    const { a, late } = nodes;
    nodes.world.faults.freeze('b');
    const over = new AbortController();
    const call = a.hub.clients.connection(late.id).with({ signal: over.signal }).invoke.confirm('?');
    const check = expect(call).rejects.toMatchObject({ code: 'cancelled' });
    await until(() => openRequests().nodeRequests > 0);
    await new Promise((resolve) => setImmediate(resolve));
    over.abort();
    await check;
    nodes.world.faults.thaw('b');
    await allRead(a, late);
    expect(nodes.asked()).toBe(0);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('a node that reads a request late carries out a command after the caller has timed out', async () => {
    await using nodes = await world();
    const { a, b, clock, late } = nodes;
    nodes.world.faults.freeze('b');
    const command = a.hub.groups.add(late.id, 'g');
    const check = expect(command).rejects.toMatchObject({ code: 'node_silent' });
    await until(() => openRequests().nodeRequests > 0);
    clock.advance(60_000);
    await check;
    nodes.world.faults.thaw('b');
    await until(async () => (await b.hub.presence.count({ group: 'g' })).value === 1);
  });
});

describe('a request between nodes', () => {
  it('a request between nodes ends at its deadline on the remote node, also if the cancel is lost', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b } = nodes;
    const client = await world.client(b, { extensions: { hubline: 1 } });
    const call = a.hub.clients.connection(client.id).with({ timeoutMs: 1000 }).invoke.confirm('?');
    const check = expect(call).rejects.toMatchObject({ code: 'call_timeout' });
    await until(() => client.asked.length === 1);
    world.faults.cut('a');
    clock.advance(1000);
    await check;
    await until(() => client.cancelled.length === 1);
    expect(openRequests()).toEqual(NONE_OPEN);
  });
});
