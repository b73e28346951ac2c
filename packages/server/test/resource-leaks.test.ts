import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane } from '@hubline/server';
import type { Backplane } from '@hubline/server/backplane';
import { expect, it } from 'vitest';
import { RawClient, rawRequest, requestLines, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Calls {
  join(group: string): Promise<void>;
  wait(): Promise<void>;
  stuck(): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
  ask(): Promise<boolean>;
}
interface Receiver {
  confirm(): Promise<boolean>;
}
const contract = defineHub<Calls, Receiver, { room: string }>('leaks', { stuck: 'stream', sum: { uploads: 1 } });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Wraps a memory backplane, and counts what a node holds of it. */
function watched() {
  const memory = memoryBackplane();
  let subscriptions = 0;
  let here: Parameters<Backplane['open']>[1] | undefined;
  const backplane: Backplane = {
    open(self, local, observer) {
      here = local;
      const link = memory.open(self, local, observer);
      const { bus } = link;
      const subscribe = bus.subscribe.bind(bus);
      bus.subscribe = (channel, deliver) => {
        const subscription = subscribe(channel, deliver);
        subscriptions++;
        return {
          ready: subscription.ready,
          close: () => {
            subscriptions--;
            subscription.close();
          },
        };
      };
      return link;
    },
  };
  const held = () => ({ subscriptions, topics: [...(here?.topics() ?? [])].length, connections: [...(here?.connections() ?? [])].length });
  return { backplane, held };
}

const invocation = (target: string, ...args: readonly unknown[]) => ({ type: 1, invocationId: target, target, arguments: args });

/** Ways in which clients connect and disconnect. */
const VISITS: readonly ((port: number, n: number) => Promise<void>)[] = [
  async (port) => {
    const client = await RawClient.open(port);
    client.send({ type: 7 });
    await client.closed;
  },
  async (port, n) => {
    const client = await RawClient.open(port, { query: `access_token=user-${n % 10}` });
    await client.call('join', `group-${n % 5}`);
    client.socket.close(1000);
    await client.closed;
  },
  (port) => cutAfter(port, () => undefined),
  (port) => cutAfter(port, (client) => client.send({ type: 6 }, invocation('wait'), invocation('wait2'))),
  (port) => cutAfter(port, (client) => client.send({ ...invocation('stuck'), type: 4 })),
  (port) => {
    const items = Array.from({ length: 30 }, () => ({ type: 2, invocationId: 'u', item: 1 }));
    return cutAfter(port, (client) => client.send({ ...invocation('sum'), streamIds: ['u'] }, ...items));
  },
  (port) => cutAfter(port, (client) => client.send({ type: 1, target: 'sum', arguments: [], streamIds: ['u'] })),
  (port) => cutAfter(port, (client) => client.send(invocation('ask'))),
  async (port) => {
    const client = await RawClient.open(port, { handshake: null });
    client.socket.send('{"protocol":"json"');
    client.reset();
    await client.closed;
  },
  async (port) => {
    const client = await RawClient.open(port, { handshake: null });
    client.send({ protocol: 'json', version: 1 });
    client.reset();
    await client.closed;
  },
  async (port) => {
    const client = await RawClient.open(port);
    client.socket.send('garbage\u001e');
    await client.closed;
  },
  async (port) => void (await rawRequest(port, requestLines('POST', '/hub/negotiate', { 'content-length': '0', connection: 'close' }))),
  async (port) => void (await rawRequest(port, upgradeLines('/hub', { 'sec-websocket-key': 'bad' }))),
  async (port) => void (await rawRequest(port, upgradeLines('/hub?id=nobody'))),
];

async function cutAfter(port: number, act: (client: RawClient) => void): Promise<void> {
  const client = await RawClient.open(port, { query: 'access_token=alice' });
  await client.call('join', 'group');
  act(client);
  const pong = new Promise((resolve) => client.socket.once('pong', resolve));
  client.socket.ping();
  await pong;
  client.reset();
  await client.closed;
}

it('the server keeps nothing of a thousand clients that connected and disconnected in many ways', async () => {
  const clock = new TestClock();
  const { backplane, held } = watched();
  await using server = createHubServer(
    { backplane, limits: { maxHandshakesPerSecond: 2000, maxHandshakesPerSecondPerAddress: 2000 } },
    clock,
  );
  const items: WeakRef<object>[] = [];
  server.hub(contract, {
    path: '/hub',
    attributes: { room: 'indexed' },
    authenticate: ({ token }) => (token ? { userId: token, attributes: { room: token } } : {}),
    connected: (ctx) => void items.push(new WeakRef(ctx.items)),
    methods: {
      join: (ctx, group) => ctx.groups.add(group),
      wait: () => new Promise(() => undefined),
      async *stuck() {
        yield 1;
        await new Promise(() => undefined);
      },
      async sum(_ctx, numbers) {
        let sum = 0;
        for await (const n of numbers) sum += n;
        return sum;
      },
      ask: (ctx) => ctx.clients.caller.invoke.confirm(),
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  const visit = async (from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 50) {
      const visits = Array.from({ length: 50 }, async (_, i) => VISITS[(n + i) % VISITS.length]?.(port, n + i));
      await Promise.all(visits);
    }
    await expect.poll(() => server.health().connections, { timeout: 20_000 }).toBe(0);
    await expect.poll(() => held().connections).toBe(0);
    await clock.advance(60_000); // ends unopened sessions, lingering topics and unanswered calls
  };
  await visit(0, 100);
  const before = { ...held(), timers: clock.size, resources: resources() };
  const heapBefore = heap();
  await visit(100, 1100);
  await expect.poll(() => ({ ...held(), timers: clock.size, resources: resources() })).toEqual(before);
  expect(before).toMatchObject({ topics: 0, connections: 0, timers: 0 });
  expect(items.length).toBeGreaterThan(500);
  await expect
    .poll(() => {
      collectGarbage();
      return items.filter((ref) => ref.deref()).length;
    })
    .toBeLessThan(5);
  expect(heap() - heapBefore).toBeLessThan(2 * 1024 * 1024);
}, 60_000);

function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Counts the open sockets and servers of the process. */
function resources(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'TCPServerWrap').length;
}

it('a closed server leaves no socket open', async () => {
  const before = resources();
  const server = createHubServer();
  server.hub(defineHub<{ echo(value: unknown): Promise<unknown> }>('echo'), {
    path: '/hub',
    methods: { echo: async (_ctx, value) => value },
  });
  const clients = await Promise.all([server.listen(0)].map(async (port) => RawClient.open(await port)));
  await clients[0]?.call('echo', 1);
  expect(resources()).toBeGreaterThan(before);
  await server.close();
  await clients[0]?.closed;
  await expect.poll(resources).toBe(before);
});
