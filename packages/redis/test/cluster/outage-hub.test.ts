import { until } from '@hubline/testing';
import { startProxy, startRedis, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { startConformanceServer, type ConformanceServer } from '@hubline/testing/conformance-server';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import type { Hub } from '@hubline/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pause } from './fixtures/pause.ts';
import { RawClient, type RawClientOptions } from './fixtures/raw-client.ts';

const LONG_WAIT = { timeoutMs: 10_000 };
const NEVER = { timeoutMs: 5000 };

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** A server in this process that reaches Redis through a proxy of its own. */
class ProxiedServer implements AsyncDisposable {
  readonly link: TcpProxy;
  readonly events: string[] = [];
  readonly #hosted: ConformanceServer;
  readonly #clients: RawClient[] = [];

  constructor(link: TcpProxy, hosted: ConformanceServer) {
    this.link = link;
    this.#hosted = hosted;
    hosted.server.on('backplaneDown', (cause) => this.events.push(`down: ${(cause as { readonly code?: string }).code}`));
    hosted.server.on('backplaneUp', () => this.events.push('up'));
    hosted.server.on('error', (stage, error) => this.events.push(`error: ${stage}: ${String(error)}`));
    hosted.server.on('nodeLost', ({ nodeId }) => this.events.push(`lost: ${nodeId}`));
  }

  static async open(store: RedisServer, nodeId: string, options: RedisBackplaneOptions): Promise<ProxiedServer> {
    const link = await startProxy(store.url, { name: nodeId });
    const times = { heartbeatIntervalMs: 200, nodeTimeoutMs: 8000, redisTimeoutMs: 500 };
    const backplane = redisBackplane(link.url, { ...times, ...options });
    return new ProxiedServer(link, await startConformanceServer({ port: 0, nodeId, backplane }));
  }

  get hub(): Hub<Receiver, Readonly<Record<string, string>>> {
    return this.#hosted.hubs.get('testhub') as unknown as Hub<Receiver, Readonly<Record<string, string>>>;
  }
  get server(): ConformanceServer['server'] {
    return this.#hosted.server;
  }

  async connect(options: RawClientOptions): Promise<RawClient> {
    const client = await RawClient.open(this.#hosted, options);
    this.#clients.push(client);
    return client;
  }

  async isDown(): Promise<void> {
    await until(() => this.server.health().backplane === 'down', LONG_WAIT);
  }
  async isUp(): Promise<void> {
    await until(() => this.server.health().backplane === 'up', LONG_WAIT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    await this.#hosted.close();
    await this.link[Symbol.asyncDispose]();
  }
}

interface Receiver {
  Message(text: string): void;
  Result(): Promise<number>;
}

/** Starts the servers a, b and c, which know each other, each with one client. */
async function startServers(options: RedisBackplaneOptions = {}, store = redis) {
  const prefix = `outage-${crypto.randomUUID()}`;
  const [a, b, c] = [
    await ProxiedServer.open(store, 'a', { ...options, prefix }),
    await ProxiedServer.open(store, 'b', { ...options, prefix }),
    await ProxiedServer.open(store, 'c', { ...options, prefix }),
  ];
  const clients = { a: await a.connect({ user: 'ann' }), b: await b.connect({ user: 'bob' }), c: await c.connect({ user: 'cat' }) };
  for (const node of [a, b, c]) await until(async () => (await node.hub.presence.count()).value === 3, LONG_WAIT);
  return {
    a,
    b,
    c,
    clients,
    async [Symbol.asyncDispose]() {
      await Promise.all([a, b, c].map((node) => node[Symbol.asyncDispose]()));
    },
  };
}

describe('a node whose link is down', () => {
  it('a node whose link is down rejects calls and changes of remote connections, and serves its own connections', async () => {
    await using servers = await startServers();
    const { a, clients } = servers;
    a.link.cut();
    await a.isDown();
    const { hub } = a;
    const gone = { code: 'backplane_unavailable', details: { local: 0 } };
    const outcomes = await hub.clients.all.with(NEVER).invokeAll.Result();
    expect(outcomes.items).toEqual([expect.objectContaining({ connectionId: clients.a.id, nodeId: 'a', status: 'fulfilled', value: 1 })]);
    expect([...outcomes.missingNodes].sort()).toEqual(['b', 'c']);
    expect(await hub.clients.all.with(NEVER).invokeOne.Result()).toBe(1);
    await expect(hub.clients.user('bob').with(NEVER).invokeOne.Result()).rejects.toMatchObject(gone);
    await expect(
      hub.clients
        .user('bob')
        .with({ ...NEVER, race: true })
        .invokeOne.Result(),
    ).rejects.toMatchObject(gone);
    await expect(hub.clients.connection(clients.b.id).with(NEVER).invoke.Result()).rejects.toMatchObject(gone);
    await expect(hub.groups.add(clients.b.id, 'g')).rejects.toMatchObject(gone);
    await expect(hub.groups.remove(clients.b.id, 'g')).rejects.toMatchObject(gone);
    await expect(hub.attributes.set(clients.b.id, 'role', 'x')).rejects.toMatchObject(gone);
    await hub.groups.add(clients.a.id, 'g'); // a connection of this node
    expect(await hub.disconnect({ connection: clients.b.id })).toEqual({ value: 0, complete: false, missingNodes: ['b'] });
    const { value: disconnected, missingNodes } = await hub.disconnect({ user: 'ann' });
    expect([disconnected, [...missingNodes].sort()]).toEqual([1, ['b', 'c']]);
  });

  it('a node whose link is down reports a rejected event with the number of local connections that received it', async () => {
    await using servers = await startServers({ onUnavailable: 'reject' });
    servers.a.link.cut();
    await servers.a.isDown();
    const sent = servers.a.hub.clients.all.send.Message('hi');
    await sent;
    await expect(sent.confirmed).rejects.toMatchObject({ code: 'backplane_unavailable', details: { local: 1 } });
    await until(() => servers.clients.a.received.includes('hi'), LONG_WAIT);
    expect([servers.clients.b.received, servers.clients.c.received]).toEqual([[], []]);
  });

  it('a node whose link is down answers queries with its own connections and the missing nodes', async () => {
    await using servers = await startServers();
    const { a, clients } = servers;
    a.link.cut();
    await a.isDown();
    const { presence } = a.hub;
    expect(await presence.count()).toMatchObject({ value: 1, complete: false });
    const page = await presence.connections();
    expect(page.items.map(({ connectionId }) => connectionId)).toEqual([clients.a.id]);
    expect([page.complete, [...page.missingNodes].sort()]).toEqual([false, ['b', 'c']]);
    expect(await presence.users()).toMatchObject({ items: [{ userId: 'ann', connections: 1 }], complete: false });
    expect(await presence.isOnline('ann')).toBe(true);
    await expect(presence.isOnline('bob')).rejects.toMatchObject({ code: 'backplane_unavailable' });
    await expect(presence.groupsOf(clients.b.id)).rejects.toMatchObject({ code: 'backplane_unavailable' });
    await a.link.heal();
    await a.isUp();
    await until(async () => (await presence.count()).complete, LONG_WAIT);
    expect(await presence.count()).toEqual({ value: 3, complete: true, missingNodes: [] });
    expect(await presence.isOnline('bob')).toBe(true);
  });

  it('a watch on a node whose link is down reports no leave of a connection that stays', async () => {
    await using servers = await startServers();
    const { a, b } = servers;
    const seen: string[] = [];
    const over = new AbortController();
    const watching = (async () => {
      for await (const event of a.hub.presence.watch(undefined, { signal: over.signal })) {
        if (event.type === 'snapshot') seen.push(`snapshot of ${event.items.length}`);
        else seen.push(`${event.type}: ${event.connection.userId}`);
      }
    })();
    await until(() => seen.length === 1, LONG_WAIT);
    a.link.cut();
    await a.isDown();
    await a.connect({ user: 'abe' }); // changes of its own connections are reported at once
    await until(() => seen.includes('join: abe'), LONG_WAIT);
    await b.connect({ user: 'ben' });
    await a.link.heal();
    await a.isUp();
    await until(() => seen.includes('join: ben'), LONG_WAIT);
    await b.connect({ user: 'bea' });
    await until(() => seen.includes('join: bea'), LONG_WAIT);
    over.abort();
    await watching;
    expect(seen).toEqual(['snapshot of 3', 'join: abe', 'join: ben', 'join: bea']);
  });
});

it('an outage of any length is reported once, and watches and counts are correct after Redis restarted empty', async () => {
  await using own = await startRedis();
  await using servers = await startServers({ nodeTimeoutMs: 1500 }, own);
  const nodes = [servers.a, servers.b, servers.c];
  const left: unknown[] = [];
  const over = new AbortController();
  const watching = Promise.all(
    nodes.map(async ({ hub }) => {
      for await (const event of hub.presence.watch(undefined, { signal: over.signal })) if (event.type === 'leave') left.push(event);
    }),
  );
  await own.stop();
  await Promise.all(nodes.map((node) => node.isDown()));
  await pause(3000); // longer than two leases, and a dozen attempts to connect
  await own.start();
  for (const node of nodes) {
    await until(async () => {
      const { value, complete } = await node.hub.presence.count();
      return value === 3 && complete;
    }, LONG_WAIT);
  }
  over.abort();
  await watching;
  expect(left).toEqual([]);
  for (const { events } of nodes) expect(events).toEqual(['down: backplane_unavailable', 'up']);
});
