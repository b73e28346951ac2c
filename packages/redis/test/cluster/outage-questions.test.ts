import { until } from '@hubline/testing';
import { startProxy, startRedis, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { startConformanceServer, type ConformanceServer } from '@hubline/testing/conformance-server';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import type { Hub } from '@hubline/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, type ClientOptions } from './kit/client.ts';

const PATIENT = { timeoutMs: 10_000 };
const NEVER = { timeoutMs: 5000 };

let redis: RedisServer;
beforeAll(async () => (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

/** A server in this process, with a way of its own to Redis. */
class Place implements AsyncDisposable {
  readonly link: TcpProxy;
  readonly happened: string[] = [];
  readonly #member: ConformanceServer;
  readonly #clients: Client[] = [];

  constructor(link: TcpProxy, member: ConformanceServer) {
    this.link = link;
    this.#member = member;
    member.server.on('backplaneDown', (cause) => this.happened.push(`down: ${(cause as { readonly code?: string }).code}`));
    member.server.on('backplaneUp', () => this.happened.push('up'));
    member.server.on('error', (stage, error) => this.happened.push(`error: ${stage}: ${String(error)}`));
    member.server.on('nodeLost', ({ nodeId }) => this.happened.push(`lost: ${nodeId}`));
  }

  static async open(store: RedisServer, nodeId: string, options: RedisBackplaneOptions): Promise<Place> {
    const link = await startProxy(store.url, { name: nodeId });
    const times = { heartbeatIntervalMs: 200, nodeTimeoutMs: 8000, redisTimeoutMs: 500 };
    const backplane = redisBackplane(link.url, { ...times, ...options });
    return new Place(link, await startConformanceServer({ port: 0, nodeId, backplane }));
  }

  get hub(): Hub<Receiver, Readonly<Record<string, string>>> {
    return this.#member.hubs.get('testhub') as unknown as Hub<Receiver, Readonly<Record<string, string>>>;
  }
  get server(): ConformanceServer['server'] {
    return this.#member.server;
  }

  async connect(options: ClientOptions): Promise<Client> {
    const client = await Client.open(this.#member, options);
    this.#clients.push(client);
    return client;
  }

  async isDown(): Promise<void> {
    await until(() => this.server.health().backplane === 'down', PATIENT);
  }
  async isUp(): Promise<void> {
    await until(() => this.server.health().backplane === 'up', PATIENT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    await this.#member.close();
    await this.link[Symbol.asyncDispose]();
  }
}

interface Receiver {
  Message(text: string): void;
  Result(): Promise<number>;
}

/** Places a, b and c, which know each other, each with a client named after it. */
async function world(options: RedisBackplaneOptions = {}, store = redis) {
  const prefix = `questions-${crypto.randomUUID()}`;
  const [a, b, c] = [
    await Place.open(store, 'a', { ...options, prefix }),
    await Place.open(store, 'b', { ...options, prefix }),
    await Place.open(store, 'c', { ...options, prefix }),
  ];
  const clients = { a: await a.connect({ user: 'ann' }), b: await b.connect({ user: 'bob' }), c: await c.connect({ user: 'cat' }) };
  for (const place of [a, b, c]) await until(async () => (await place.hub.presence.count()).value === 3, PATIENT);
  return {
    a,
    b,
    c,
    clients,
    async [Symbol.asyncDispose]() {
      await Promise.all([a, b, c].map((place) => place[Symbol.asyncDispose]()));
    },
  };
}

describe('while its link is down, a node', () => {
  it('rejects what needs an answer of others, with its own part', async () => {
    await using w = await world();
    const { a, clients } = w;
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
    await hub.groups.add(clients.a.id, 'g'); // its own connections are its own
    expect(await hub.disconnect({ connection: clients.b.id })).toEqual({ value: 0, complete: false, missingNodes: ['b'] });
    const { value: disconnected, missingNodes } = await hub.disconnect({ user: 'ann' });
    expect([disconnected, [...missingNodes].sort()]).toEqual([1, ['b', 'c']]);
  });

  it('tells the sender how many had an event here, where it is lost to others', async () => {
    await using w = await world({ onUnavailable: 'reject' });
    w.a.link.cut();
    await w.a.isDown();
    const sent = w.a.hub.clients.all.send.Message('hi');
    await sent;
    await expect(sent.confirmed).rejects.toMatchObject({ code: 'backplane_unavailable', details: { local: 1 } });
    await until(() => w.clients.a.told.includes('hi'), PATIENT);
    expect([w.clients.b.told, w.clients.c.told]).toEqual([[], []]);
  });

  it('answers queries with what it has, and says who is missing', async () => {
    await using w = await world();
    const { a, clients } = w;
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
    await until(async () => (await presence.count()).complete, PATIENT);
    expect(await presence.count()).toEqual({ value: 3, complete: true, missingNodes: [] });
    expect(await presence.isOnline('bob')).toBe(true);
  });

  it('watches on, and sees nobody leave who is there all the time', async () => {
    await using w = await world();
    const { a, b } = w;
    const seen: string[] = [];
    const over = new AbortController();
    const watching = (async () => {
      for await (const event of a.hub.presence.watch(undefined, { signal: over.signal })) {
        if (event.type === 'snapshot') seen.push(`snapshot of ${event.items.length}`);
        else seen.push(`${event.type}: ${event.connection.userId}`);
      }
    })();
    await until(() => seen.length === 1, PATIENT);
    a.link.cut();
    await a.isDown();
    await a.connect({ user: 'abe' }); // its own changes are news at once
    await until(() => seen.includes('join: abe'), PATIENT);
    await b.connect({ user: 'ben' });
    await a.link.heal();
    await a.isUp();
    await until(() => seen.includes('join: ben'), PATIENT);
    await b.connect({ user: 'bea' });
    await until(() => seen.includes('join: bea'), PATIENT);
    over.abort();
    await watching;
    expect(seen).toEqual(['snapshot of 3', 'join: abe', 'join: ben', 'join: bea']);
  });
});

it('warns once of an outage, however long, and watches and counts across a Redis that comes back empty', async () => {
  await using own = await startRedis();
  await using w = await world({ nodeTimeoutMs: 1500 }, own);
  const places = [w.a, w.b, w.c];
  const left: unknown[] = [];
  const over = new AbortController();
  const watching = Promise.all(
    places.map(async ({ hub }) => {
      for await (const event of hub.presence.watch(undefined, { signal: over.signal })) if (event.type === 'leave') left.push(event);
    }),
  );
  await own.stop();
  await Promise.all(places.map((place) => place.isDown()));
  const since = performance.now();
  await until(() => performance.now() - since > 3000, PATIENT); // two leases, and a dozen attempts
  await own.start();
  for (const place of places) {
    await until(async () => {
      const { value, complete } = await place.hub.presence.count();
      return value === 3 && complete;
    }, PATIENT);
  }
  over.abort();
  await watching;
  expect(left).toEqual([]);
  for (const { happened } of places) expect(happened).toEqual(['down: backplane_unavailable', 'up']);
});
