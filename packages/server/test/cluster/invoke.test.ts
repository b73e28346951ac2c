import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { openRequests, NONE_OPEN } from './open-requests.ts';
import { threeNodes } from './three-nodes.ts';

const error = (code: string, details?: object) => expect.objectContaining({ code, ...(details && { details }) }) as Error;
const never = () => new Promise<string>(() => undefined);

describe('invoke', () => {
  it('invoke returns the result of one client on any node', async () => {
    await using nodes = await threeNodes();
    const { world, a, b, c } = nodes;
    const near = await world.client(a, { answer: (question) => `near ${question}` });
    const far = await world.client(b, { answer: async (question) => `far ${question}` });
    const sender = await world.start('sender', { accept: false, bare: true });
    for (const { hub } of [a, b, c, sender]) {
      expect(await hub.clients.connection(near.id).invoke.confirm('1')).toBe('near 1');
      expect(await hub.clients.connection(far.id).invoke.confirm('2')).toBe('far 2');
    }
    const many = await Promise.all(Array.from({ length: 50 }, (_, i) => a.hub.clients.connection(far.id).invoke.confirm(i)));
    expect(many).toEqual(Array.from({ length: 50 }, (_, i) => `far ${i}`));
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invoke rejects at once for a connection that does not exist', async () => {
    await using nodes = await threeNodes({ timeouts: { callMs: 60_000 } });
    const { world, a, b } = nodes;
    const left = await world.client(b);
    await left.close();
    await until(async () => (await a.hub.presence.count()).value === 0);
    for (const connectionId of ['nobody', left.id]) {
      await expect(a.hub.clients.connection(connectionId).invoke.confirm('?')).rejects.toEqual(error('connection_gone', { connectionId }));
    }
    const near = await world.client(a);
    const nobody = a.hub.clients.connection(near.id).except(near.id);
    await expect(nobody.invoke.confirm('?')).rejects.toEqual(error('connection_gone', { connectionId: near.id }));
    expect(near.asked).toEqual([]);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invoke rejects with the error that the client threw', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b, {
      answer() {
        throw new Error('no!');
      },
    });
    await expect(a.hub.clients.connection(far.id).invoke.confirm('?')).rejects.toEqual(error('client_error', { method: 'confirm' }));
    await expect(a.hub.clients.connection(far.id).invoke.confirm('?')).rejects.toThrow('no!');
    await expect(a.hub.clients.connection(far.id).invoke.confirm(1n)).rejects.toEqual(error('not_encodable'));
  });

  it('invoke rejects with call_timeout after its time limit', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { callMs: 60 } });
    const { world, a, b } = nodes;
    const far = await world.client(b);
    const { clients } = a.hub;
    for (const [target, timeoutMs] of [
      [clients.connection(far.id), 60],
      [clients.connection(far.id).with({ timeoutMs: 20 }), 20],
    ] as const) {
      const check = expect(target.invoke.confirm('?')).rejects.toEqual(error('call_timeout', { method: 'confirm', timeoutMs }));
      await until(() => far.asked.length > 0 && openRequests().nodeRequests === 2 && openRequests().clientCalls === 1);
      clock.advance(timeoutMs);
      await check;
      await until(() => openRequests().clientCalls === 0);
    }
    const early = expect(clients.connection(far.id).invoke.confirm('?')).rejects.toEqual(error('call_timeout'));
    clock.advance(60); // before any client has been called
    await early;
    await until(() => openRequests().clientCalls === 0);
    expect(openRequests()).toEqual(NONE_OPEN);
    // A result that arrives after the time-out is ignored.
    for (const asked of far.asked) far.reply(asked, { result: 'late' });
    a.hub.clients.all.send.said('end');
    await until(() => far.said.length === 1);
    expect([...a.errors, ...b.errors]).toEqual([]);
  });

  it('invoke with a time limit of Infinity never times out', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { callMs: Infinity } });
    const { world, a, b } = nodes;
    for (const client of [await world.client(a), await world.client(b)]) {
      const target = a.hub.clients.connection(client.id).with({ attemptMs: Infinity });
      const calls = [
        target.invoke.confirm('?'),
        target.invokeOne.confirm('?'),
        target.invokeAll.confirm('?').then(({ items }) => items[0]),
      ];
      await until(() => client.asked.length === calls.length);
      clock.advance(2 ** 32); // 49 days
      for (const asked of client.asked) client.reply(asked, { result: 'at last' });
      expect(await Promise.all(calls)).toMatchObject(['at last', 'at last', { value: 'at last' }]);
    }
    await until(() => openRequests().nodeRequests === 0);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invoke with a time limit of Infinity: a node that was frozen reads the cancel before it starts the call', async () => {
    await using nodes = await threeNodes({ timeouts: { callMs: Infinity } });
    const { world, a, b } = nodes;
    const far = await world.client(b, { answer: () => 'yes' });
    world.faults.freeze('b');
    const over = new AbortController();
    const call = a.hub.clients.connection(far.id).with({ signal: over.signal }).invoke.confirm('?');
    const check = expect(call).rejects.toEqual(error('cancelled'));
    await until(() => openRequests().nodeRequests === 1);
    over.abort();
    await check;
    world.faults.thaw('b');
    expect(await a.hub.clients.connection(far.id).invoke.confirm('again')).toBe('yes');
    expect(far.asked.map(({ question }) => question)).toEqual(['again']);
  });

  it('invoke that times out before its own node has sent the call reports call_timeout of the client, and not node_silent', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { callMs: 50 } });
    const { world, a, b } = nodes;
    const [near, far] = [await world.client(a), await world.client(b)];
    world.faults.freeze('b');
    const { clients } = a.hub;
    /** Advances the clock when a request is open, which is before its node reads it. */
    const opened = async (): Promise<void> => {
      for (let tries = 0; tries < 1000 && openRequests().nodeRequests === 0; tries++) await Promise.resolve();
      expect(openRequests().nodeRequests).toBeGreaterThan(0);
      clock.advance(50);
    };
    const single = clients.connection(near.id).invoke.confirm('?');
    const check = expect(single).rejects.toEqual(error('call_timeout', { method: 'confirm', timeoutMs: 50 }));
    await opened();
    await check;
    const one = clients.connection(near.id).with({ attemptMs: 50, timeoutMs: 1000 }).invokeOne.confirm('?');
    const checkOne = expect(one).rejects.toMatchObject({
      code: 'no_client_responded',
      details: { causes: [{ connectionId: near.id, code: 'call_timeout' }], missingNodes: [] },
    });
    await opened();
    await checkOne;
    const all = clients.anyOf({ connection: near.id }, { connection: far.id }).invokeAll.confirm('?');
    await opened();
    expect((await all).items).toMatchObject([
      { connectionId: near.id, nodeId: 'a', code: 'call_timeout' },
      { connectionId: far.id, nodeId: 'b', code: 'node_silent' },
    ]);
    expect(near.asked).toEqual([]);
  });

  it('invoke rejects at once when the client disconnects or its node is lost', async () => {
    await using nodes = await threeNodes({ timeouts: { callMs: 60_000 } });
    const { world, a, b, c } = nodes;
    const leaver = await world.client(b);
    const left = a.hub.clients.connection(leaver.id).invoke.confirm('?');
    const check = expect(left).rejects.toEqual(error('connection_gone', { connectionId: leaver.id }));
    await until(() => leaver.asked.length === 1);
    leaver.drop();
    await check;
    const lost = await world.client(c);
    const call = a.hub.clients.connection(lost.id).invoke.confirm('?');
    const checkLost = expect(call).rejects.toEqual(error('node_lost', { nodeId: 'c' }));
    await until(() => lost.asked.length === 1);
    world.faults.expire('c');
    await checkLost;
    await expect(a.hub.clients.connection(lost.id).invoke.confirm('?')).rejects.toEqual(error('node_lost', { nodeId: 'c' }));
    const closing = a.hub.clients.connection((await world.client(b)).id).invoke.confirm('?');
    const checkClosing = expect(closing).rejects.toMatchObject({ code: expect.stringMatching(/^(node_lost|connection_gone)$/) as string });
    await b.server.close();
    await checkClosing;
  });

  it('invoke distinguishes a silent node from a silent client', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { callMs: 80 } });
    const { world, a, b } = nodes;
    const far = await world.client(b, { answer: () => 'late' });
    world.faults.freeze('b');
    const check = expect(a.hub.clients.connection(far.id).invoke.confirm('?')).rejects.toEqual(error('node_silent', { nodeId: 'b' }));
    await until(() => openRequests().nodeRequests === 1);
    clock.advance(80);
    await check;
    world.faults.thaw('b');
    expect(await a.hub.clients.connection(far.id).invoke.confirm('?')).toBe('late');
    await until(() => openRequests().nodeRequests === 0);
    expect(openRequests()).toEqual(NONE_OPEN);
  });

  it('invoke rejects with backplane_unavailable while the link is down, and still calls local clients', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const [near, far] = [await world.client(a, { answer: () => 'near' }), await world.client(b)];
    world.faults.cut('a');
    await expect(a.hub.clients.connection(far.id).invoke.confirm('?')).rejects.toEqual(error('backplane_unavailable'));
    expect(await a.hub.clients.connection(near.id).invoke.confirm('?')).toBe('near');
  });

  it('invoke sends a cancel to a client that announced Hubline, and to no other client', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const knowing = await world.client(b, { answer: never, extensions: { hubline: 1 } });
    const plain = await world.client(b, { answer: never });
    for (const client of [knowing, plain]) {
      const over = new AbortController();
      const call = a.hub.clients.connection(client.id).with({ signal: over.signal }).invoke.confirm('?');
      const check = expect(call).rejects.toEqual(error('cancelled', { method: 'confirm' }));
      await until(() => client.asked.length === 1);
      over.abort();
      await check;
      await expect(a.hub.clients.connection(client.id).with({ signal: over.signal }).invoke.confirm('?')).rejects.toEqual(
        error('cancelled'),
      );
    }
    await until(() => openRequests().clientCalls === 0);
    a.hub.clients.all.send.said('end');
    await until(() => knowing.said.length + plain.said.length === 2);
    expect(knowing.cancelled).toEqual(knowing.asked.map(({ invocationId }) => invocationId));
    expect(plain.cancelled).toEqual([]);
    expect(plain.asked).toHaveLength(1);
    expect(openRequests()).toEqual(NONE_OPEN);
  });
});
