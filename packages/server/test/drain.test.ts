import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane, type HubServerOptions } from '@hubline/server';
import { faultyBackplane } from '@hubline/testing';
import { expect, it } from 'vitest';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Calls {
  work(): Promise<string>;
  count(): AsyncIterable<number>;
}
interface Receiver {
  confirm(): Promise<boolean>;
}
const contract = defineHub<Calls, Receiver>('drain', { count: 'stream' });

async function start(options: HubServerOptions = {}) {
  const clock = new TestClock();
  const server = createHubServer(options, clock);
  let finish = (): void => undefined;
  let working = 0;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const hub = server.hub(contract, {
    path: '/hub',
    methods: {
      work: async () => {
        working++;
        await finished;
        return 'done';
      },
      async *count() {
        yield 1;
        await finished;
        yield 2;
      },
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  const isOver = (promise: Promise<unknown>): (() => boolean) => {
    let over = false;
    void promise.then(() => (over = true));
    return () => over;
  };
  const close = async (): Promise<void> => {
    const closed = isOver(server.close({ graceMs: 0 }));
    while (!closed()) {
      await clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { server, hub, clock, port, finish, isOver, working: () => working, [Symbol.asyncDispose]: close };
}

const GOODBYE = { type: 7, allowReconnect: true, code: 'shutdown' };

it.each([
  ['a call', { type: 1, invocationId: '1', target: 'work', arguments: [] }, { type: 3, result: 'done' }],
  ['a stream', { type: 4, invocationId: '1', target: 'count', arguments: [] }, { type: 3, invocationId: '1' }],
])('drain lets %s end before the connection is closed', async (_what, call, completion) => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  await using idle = await RawClient.open(world.port);
  client.send(call);
  await expect.poll(() => world.working() + client.items('1').length).toBe(1);
  const drained = world.isOver(world.server.drain());
  await idle.closed; // no call of this client was running
  await world.clock.advance(1000);
  expect([drained(), client.messages.some(({ type }) => type === 7)]).toEqual([false, false]);
  world.finish();
  await expect.poll(() => world.clock.advance(100).then(drained)).toBe(true);
  await client.closed;
  expect(client.messages.slice(-2)).toMatchObject([completion, GOODBYE]);
});

it('drain lets a client answer a call of the server before the connection is closed', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  const asked = world.hub.clients.all.invokeAll.confirm();
  const question = await client.until(() => client.messages.find(({ type }) => type === 1));
  const drained = world.isOver(world.server.drain());
  await world.clock.advance(100);
  client.send({ type: 3, invocationId: question.invocationId, result: true });
  expect((await asked).items.map((outcome) => outcome.status)).toEqual(['fulfilled']);
  await expect.poll(() => world.clock.advance(100).then(drained)).toBe(true);
});

it('drain and close wait for running calls no longer than graceMs', async () => {
  for (const end of ['drain', 'close'] as const) {
    await using world = await start();
    await using client = await RawClient.open(world.port);
    client.send({ type: 1, invocationId: '1', target: 'work', arguments: [] });
    await expect.poll(world.working).toBe(1);
    const ended = world.isOver(world.server[end]({ graceMs: 2000 }));
    await world.clock.advance(1900);
    expect(client.messages).toEqual([]);
    await world.clock.advance(200);
    await client.closed;
    expect(client.messages).toEqual([GOODBYE]);
    world.finish();
    await expect.poll(() => world.clock.advance(100).then(ended)).toBe(true);
  }
});

it('a draining server answers 503 and then stops listening, so that a balancer tries another node', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  client.send({ type: 1, invocationId: '1', target: 'work', arguments: [] });
  await expect.poll(world.working).toBe(1);
  const drained = world.isOver(world.server.drain());
  expect(world.server.health().status).toBe('draining');
  const answers = [
    await rawRequest(world.port, requestLines('POST', '/hub/negotiate', { connection: 'close' })),
    await rawRequest(world.port, upgradeLines('/hub')),
  ];
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 503 [^]*hubline-code: shutdown/);
  world.finish();
  await expect.poll(() => world.clock.advance(100).then(drained)).toBe(true);
  await client.closed;
  await expect(rawRequest(world.port, upgradeLines('/hub'))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it("nodes() includes the nodes of a hub's own backplane, also for a hub that only sends", async () => {
  const backplane = faultyBackplane();
  const contract = defineHub<Calls>('own', { count: 'stream' });
  const methods = { work: async () => '', count: async function* () {} };
  await using sender = createHubServer({ nodeId: 'sender', accept: false });
  await using host = createHubServer({ nodeId: 'host' });
  host.hub(contract, { path: '/own', backplane, methods });
  const hub = sender.hub(contract, { backplane });
  await Promise.all([sender.ready(), host.ready()]);
  await expect.poll(async () => (await sender.nodes()).items.map(({ nodeId }) => nodeId).sort()).toEqual(['host', 'sender']);
  expect(await hub.presence.count()).toEqual({ value: 0, complete: true, missingNodes: [] });
  backplane.faults.cut('sender');
  expect(await sender.nodes()).toMatchObject({ items: [{ nodeId: 'sender' }], complete: false, missingNodes: ['host'] });
  expect(sender.health()).toMatchObject({
    status: 'degraded',
    backplane: 'up',
    backplanes: [{ state: 'up' }, { hubs: ['own'], state: 'down' }],
  });
  for (const broken of [{ methods }, { path: '/x' }, { backplane: {} }, null, 'own'] as unknown as [never])
    expect(() => host.hub(defineHub('broken'), broken)).toThrow(expect.objectContaining({ code: 'invalid_option' }));
});

it('health() gives the state of each backplane with its hubs', async () => {
  await using world = await start();
  const other = defineHub<Calls>('other', { count: 'stream' });
  const methods = { work: async () => '', count: async function* () {} };
  world.server.hub(other, { path: '/other', backplane: memoryBackplane(), methods });
  await world.server.ready();
  expect(world.server.health()).toMatchObject({
    status: 'ok',
    backplane: 'up',
    backplanes: [
      { hubs: ['drain'], state: 'up' },
      { hubs: ['other'], state: 'up' },
    ],
  });
});
