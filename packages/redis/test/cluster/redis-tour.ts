import { createHubConnection, type HubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type Hub, type HubServer } from '@hubline/server';
import type { RedisBackplaneOptions } from '@hubline/redis';
import { until } from '@hubline/testing';
import type { RedisServer } from '@hubline/testing/cluster';
import { ProxiedBackplane } from './redis-fixture.ts';

interface TourHub {
  whoAmI(): Promise<string>;
  join(group: string): Promise<void>;
  leave(group: string): Promise<void>;
}
interface TourReceiver {
  said(text: string): void;
  confirm(question: string): Promise<boolean>;
}
interface Marks {
  readonly role: string;
}
const tour = defineHub<TourHub, TourReceiver, Marks>('tour');

const TIMES = { heartbeatIntervalMs: 100, nodeTimeoutMs: 2500, redisTimeoutMs: 1500, sweepDelayMs: 100 };
const PATIENT = { timeoutMs: 20_000, intervalMs: 20 };

export interface TourOptions {
  /** Every Redis that there is. */
  readonly servers: readonly RedisServer[];
  readonly isCluster: boolean;
  readonly backplane?: RedisBackplaneOptions;
}

/** Two nodes in this process, each with a client, that do over Redis whatever nodes do there. */
export class Tour implements AsyncDisposable {
  readonly backplane: ProxiedBackplane;
  readonly #servers: readonly RedisServer[];
  readonly #nodes: readonly [TourNode, TourNode];

  private constructor(backplane: ProxiedBackplane, servers: readonly RedisServer[], nodes: readonly [TourNode, TourNode]) {
    this.backplane = backplane;
    this.#servers = servers;
    this.#nodes = nodes;
  }

  static async start({ servers, isCluster, backplane: more }: TourOptions): Promise<Tour> {
    const unused = (): Promise<never> => Promise.reject(new Error('No lease is taken away here.'));
    const redis = { call: unused, hkeys: unused };
    const backplane = await ProxiedBackplane.to({ servers, isCluster, redis, options: { ...TIMES, ...more } });
    const nodes = [await TourNode.start('ann', backplane), await TourNode.start('bob', backplane)] as const;
    await until(() => nodes[0].seesBoth(), PATIENT);
    return new Tour(backplane, servers, nodes);
  }

  /** All of it. Before a last group is joined, what is done where its topic is kept; then, what that gave to do. */
  async all(before?: (topic: string) => Promise<() => Promise<void>>): Promise<void> {
    const [ann, bob] = this.#nodes;
    await this.talk();
    await this.outage();
    await this.death();
    const after = await before?.('{tour:group:last}');
    const joined = bob.client.invoke.join('last');
    await after?.();
    await joined;
    await until(async () => (await ann.hub.presence.count({ group: 'last' })).value === 1, PATIENT);
    await this.end();
  }

  /** Messages to everybody whom one can speak to, questions, queries, watches. */
  async talk(): Promise<void> {
    const [ann, bob] = this.#nodes;
    const { clients, groups, attributes, presence } = ann.hub;
    await Promise.all([ann, bob].map(({ client }) => client.invoke.join('lobby')));
    const bobsId = bob.connectionId;
    const watching = new AbortController();
    const seen: string[] = [];
    const watch = (async () => {
      for await (const { type } of presence.watch({ group: 'lobby' }, { signal: watching.signal })) seen.push(type);
    })();
    await until(() => seen.length === 1, PATIENT);
    const nobodies = Array.from({ length: 101 }, (_, i) => presence.watch({ user: `nobody ${i}` }, { signal: watching.signal }));
    await Promise.all(nobodies.map((watch) => watch[Symbol.asyncIterator]().next()));
    await groups.add(bobsId, 'stage');
    await attributes.set(bobsId, 'role', 'admin');
    await until(() => seen.includes('update'), PATIENT);
    const [lobby, stage] = [{ group: 'lobby' }, { group: 'stage' }];
    const everybodyOf = [{ all: true }, lobby, { user: 'bob' }, { connection: bobsId }, { where: { role: 'admin' } }] as const;
    const targets = [...everybodyOf, { allOf: [lobby, stage] }, { anyOf: [stage, { user: 'bob' }] }];
    for (const target of targets) await clients.matching(target).send.said('hello').confirmed;
    await until(() => bob.heard === targets.length, PATIENT);
    await clients.group('lobby').invokeAll.confirm('Ready?');
    await clients.group('lobby').invokeOne.confirm('Ready?');
    await clients.connection(bobsId).invoke.confirm('Ready?');
    await presence.connections({ group: 'lobby' });
    await presence.connections({ where: { role: 'admin' } }, { select: ['connectionId'] });
    await presence.users();
    await presence.count();
    await presence.isOnline('bob');
    const many = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(250)); // too many characters for a record
    for (const group of many) await groups.add(bobsId, group);
    await presence.groupsOf(bobsId);
    for (const group of ['stage', ...many]) await groups.remove(bobsId, group);
    await Promise.all([ann, bob].map(({ client }) => client.invoke.leave('lobby')));
    await presence.count(lobby); // both nodes are still subscribed
    watching.abort();
    await watch;
  }

  /** Nobody reaches Redis for a moment. */
  async outage(): Promise<void> {
    const ways = this.#nodes.flatMap((node) => this.backplane.wayOf(node.process));
    ways.forEach((way) => way.cut());
    await until(() => this.#nodes.every(({ state }) => state === 'down'), PATIENT);
    await Promise.all(ways.map((way) => way.heal()));
    await until(() => this.#nodes.every(({ state }) => state === 'up'), PATIENT);
    await until(() => this.#nodes[0].seesBoth(), PATIENT);
  }

  /** One node is away for so long that the other one takes it for dead and sweeps what it had; then it is back. */
  async death(): Promise<void> {
    const [ann, bob] = this.#nodes;
    const way = this.backplane.wayOf(bob.process);
    way.forEach((each) => each.halfOpen());
    await until(async () => !(await ann.seesBoth()), PATIENT);
    await until(async () => !(await this.keys()).some((key) => key.includes(bob.process)), PATIENT);
    await Promise.all(way.map((each) => each.heal()));
    await until(async () => bob.state === 'up' && (await ann.hub.presence.count()).value === 2, PATIENT);
  }

  /** What is in Redis under the prefix, on all that hold something. */
  async keys(): Promise<readonly string[]> {
    return (await Promise.all(this.#servers.map((server) => server.keys(`${this.backplane.prefix}*`)))).flat();
  }

  async end(): Promise<void> {
    const [ann, bob] = this.#nodes;
    await ann.hub.disconnect({ user: 'bob' }, 'The end.');
    await Promise.all([ann, bob].map((node) => node[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
    await this.backplane[Symbol.asyncDispose]();
  }
}

class TourNode implements AsyncDisposable {
  readonly server: HubServer;
  readonly hub: Hub<TourReceiver, Marks>;
  client!: HubConnection<TourHub, TourReceiver>;
  process = '';
  connectionId = '';
  heard = 0;

  private constructor(nodeId: string, backplane: ProxiedBackplane) {
    this.server = createHubServer({ nodeId, backplane, timeouts: { lingerMs: 1000 } });
    this.server.on('error', () => undefined); // outages are on purpose
    this.hub = this.server.hub(tour, {
      path: '/tour',
      attributes: { role: 'indexed' },
      authenticate: () => ({ userId: nodeId, attributes: { role: 'guest' } }),
      methods: {
        whoAmI: async (ctx) => ctx.connectionId,
        join: (ctx, group) => ctx.groups.add(group),
        leave: (ctx, group) => ctx.groups.remove(group),
      },
    });
  }

  static async start(nodeId: string, backplane: ProxiedBackplane): Promise<TourNode> {
    const node = new TourNode(nodeId, backplane);
    const port = await node.server.listen(0, '127.0.0.1');
    node.process = (await node.server.nodes()).items.find((each) => each.nodeId === nodeId)?.process ?? '';
    node.client = createHubConnection(tour, `http://127.0.0.1:${port}/tour`, {
      reconnect: false,
      receiver: { said: () => void node.heard++, confirm: async () => true },
    });
    await node.client.start();
    node.connectionId = await node.client.invoke.whoAmI();
    return node;
  }

  get state(): string {
    return this.server.health().backplane;
  }

  async seesBoth(): Promise<boolean> {
    return (await this.server.nodes()).items.length === 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.stop();
    await this.server.close();
  }
}
