import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { openRequests, NONE_OPEN } from './open-requests.ts';
import { threeNodes } from './three-nodes.ts';

const never = () => new Promise<string>(() => undefined);
const fails = (): string => {
  throw new Error('no!');
};
const error = (code: string) => expect.objectContaining({ code }) as Error;

describe('invokeOne', () => {
  it('invokeOne calls one client at a time, local clients first, until one returns a result', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const order: string[] = [];
    let open = 0;
    let most = 0;
    const answer = (name: string, gives: boolean) => async () => {
      order.push(name);
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      return gives ? name : fails();
    };
    await world.client(b, { answer: answer('far', true) });
    await world.client(a, { answer: answer('near', false) });
    await world.client(a, { answer: answer('near', false) });
    await world.client(c, { answer: answer('far', true) });
    expect(await a.hub.clients.all.invokeOne.confirm('?')).toBe('far');
    expect(order).toEqual(['near', 'near', 'far']);
    expect(most).toBe(1);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invokeOne rejects with the cause of each client when no client returned a result', async () => {
    await using nodes = await threeNodes({ timeouts: { attemptMs: 500 } });
    const { world, a, b, c } = nodes;
    const throwing = await world.client(a, { answer: fails });
    const silent = await world.client(b, { answer: never });
    const onFrozen = await world.client(c);
    world.faults.freeze('c');
    const asked = a.hub.clients.all.invokeOne.confirm('?');
    await expect(asked).rejects.toMatchObject({ code: 'no_client_responded' });
    const { details } = (await asked.catch((error: unknown) => error)) as { readonly details: { readonly causes: readonly object[] } };
    const causes = [
      { connectionId: throwing.id, code: 'client_error' },
      { connectionId: silent.id, code: 'call_timeout' },
      { connectionId: onFrozen.id, code: 'node_silent' },
    ];
    expect(details.causes).toHaveLength(3);
    expect(details.causes).toEqual(expect.arrayContaining(causes.map((cause) => expect.objectContaining(cause) as object)));
    expect(details.causes[0]).toMatchObject({ connectionId: throwing.id, message: 'Error: no!' });
    await expect(a.hub.clients.group('nobody').invokeOne.confirm('?')).rejects.toMatchObject({ details: { causes: [] } });
    await until(() => openRequests().clientCalls === 0);
  });

  it('invokeOne rejects when its time limit is over or its signal aborts', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b } = nodes;
    const clients = await Promise.all([a, b, a, b].map((node) => world.client(node, { answer: never })));
    const asked = () => clients.reduce((sum, client) => sum + client.asked.length, 0);
    const hasty = a.hub.clients.all.with({ timeoutMs: 80, attemptMs: 50 }).invokeOne.confirm('?');
    const check = expect(hasty).rejects.toEqual(error('no_client_responded'));
    await until(() => asked() === 1);
    clock.advance(50);
    await until(() => asked() === 2);
    clock.advance(30);
    await check;
    const over = new AbortController();
    const call = a.hub.clients.all.with({ signal: over.signal }).invokeOne.confirm('?');
    const checkCancelled = expect(call).rejects.toEqual(error('cancelled'));
    await until(() => asked() === 3);
    over.abort();
    await checkCancelled;
    await until(() => openRequests().clientCalls === 0);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invokeOne waits for the directory no longer than for clients', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a } = nodes;
    const near = await world.client(a, { answer: fails });
    world.faults.freeze('a'); // the directory does not answer
    const call = a.hub.clients.all.with({ timeoutMs: 60 }).invokeOne.confirm('?');
    const details = { causes: [{ code: 'client_error' }], missingNodes: ['b', 'c'] };
    const check = expect(call).rejects.toMatchObject({ code: 'no_client_responded', details });
    await until(() => near.asked.length === 1 && openRequests().nodeRequests === 0);
    clock.advance(60);
    await check;
    const vain = a.hub.clients.group('nobody').with({ timeoutMs: 60 }).invokeOne.confirm('?');
    clock.advance(60);
    await expect(vain).rejects.toEqual(error('backplane_unavailable'));
    const over = new AbortController();
    const cancelled = a.hub.clients.group('nobody').with({ signal: over.signal }).invokeOne.confirm('?');
    over.abort();
    await expect(cancelled).rejects.toEqual(error('cancelled'));
  });

  it('invokeOne goes on with the next client when a client disconnects or its node is lost', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const leaver = await world.client(a);
    const lost = await world.client(b);
    const far = await world.client(c, { answer: () => 'far' });
    const target = a.hub.clients.anyOf(...([leaver, lost, far].map(({ id }) => a.hub.clients.connection(id)) as [never, ...never[]]));
    const call = target.invokeOne.confirm('?');
    await until(() => leaver.asked.length === 1);
    leaver.drop();
    await until(() => lost.asked.length + far.asked.length > 0);
    if (lost.asked.length > 0) world.faults.expire('b');
    expect(await call).toBe('far');
  });

  it('invokeOne with race calls all clients at once, takes the first result and cancels the other calls', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const slow = await Promise.all([a, b].map((node) => world.client(node, { answer: never, extensions: { hubline: 1 } })));
    await world.client(b, { answer: fails });
    const winner = await world.client(c);
    const call = a.hub.clients.all.with({ race: true }).invokeOne.confirm('?');
    await until(() => [...slow, winner].every(({ asked }) => asked.length === 1));
    winner.reply(winner.asked[0]!, { result: 'first' });
    expect(await call).toBe('first');
    await until(() => slow.every(({ cancelled }) => cancelled.length === 1));
    expect(openRequests()).toEqual(NONE_OPEN);
    const lost = a.hub.clients.all.with({ race: true, timeoutMs: 60 }).invokeOne.confirm('?');
    await expect(lost).rejects.toMatchObject({ code: 'no_client_responded' });
  });
});
