import type { Backplane, BusSubscription, Link, NodeInfo, PublishOptions, Topic } from '@hubline/server/backplane';
import { redisBackplane, type ClientRole, type RedisBackplaneOptions } from '@hubline/redis';
import { startProxy, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { LocalDouble } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';

/** What a node's observer was told, and what the node heard. */
export interface Told {
  readonly name: 'down' | 'up' | 'gap' | 'stale' | 'joined' | 'lost' | 'report' | 'heard';
  /** The nodeId, the gap, the outage, the error's code, or the text. */
  readonly what: unknown;
}

/** Beats are frequent and leases are long: nobody is lost but where a test says so. */
const TIMES = { heartbeatIntervalMs: 200, nodeTimeoutMs: 10_000, redisTimeoutMs: 500 };

/** A link in this process, whose two connections can be broken one by one. */
export class WiredNode implements AsyncDisposable {
  readonly self: NodeInfo;
  readonly local = new LocalDouble();
  readonly told: Told[] = [];
  readonly link: Link;
  readonly ways: Readonly<Record<ClientRole, TcpProxy>>;

  constructor(nodeId: string, backplane: Backplane, ways: Readonly<Record<ClientRole, TcpProxy>>) {
    this.self = { nodeId, process: crypto.randomUUID(), app: 'test', accepts: true, startedAt: Date.now() };
    this.ways = ways;
    const tell =
      (name: Told['name']) =>
      (what: unknown): void =>
        void this.told.push({ name, what });
    this.link = backplane.open(this.self, this.local, {
      down: (cause) => tell('down')((cause as { readonly code?: string }).code),
      up: tell('up'),
      gap: tell('gap'),
      stale: () => tell('stale')(undefined),
      joined: (node) => tell('joined')(node.nodeId),
      lost: (node) => tell('lost')(node.nodeId),
      report: (stage, error) => tell('report')(`${stage}: ${(error as { readonly code?: string }).code ?? String(error)}`),
    });
  }

  static async start(redis: RedisServer, nodeId: string, options: RedisBackplaneOptions & { readonly prefix: string }): Promise<WiredNode> {
    const [commands, subscriber] = [await startProxy(redis.url), await startProxy(redis.url)];
    const ways = { commands, subscriber };
    const createClient: RedisBackplaneOptions['createClient'] = (role, settings) => new Redis({ ...settings, port: ways[role].port });
    return new WiredNode(nodeId, redisBackplane({ ...TIMES, ...options, createClient }), ways);
  }

  publish(channel: string, text: string, options: PublishOptions = { mayWait: true }): Promise<void> {
    return this.link.bus.publish(channel, Buffer.from(text), options);
  }

  hear(channel: string): BusSubscription {
    return this.link.bus.subscribe(channel, (payload) => this.told.push({ name: 'heard', what: Buffer.from(payload).toString() }));
  }

  async join(connectionId: string, ...topics: Topic[]): Promise<void> {
    await this.link.directory.changed(this.local.join(connectionId, ...topics));
  }

  /** In order. */
  all(name: Told['name']): readonly unknown[] {
    return this.told.filter((each) => each.name === name).map(({ what }) => what);
  }

  cut(): void {
    for (const way of Object.values(this.ways)) way.cut();
  }
  async heal(): Promise<void> {
    await Promise.all(Object.values(this.ways).map((way) => way.heal()));
  }

  /** Ends without a goodbye where its ways are cut. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.link.close();
    await Promise.all(Object.values(this.ways).map((way) => way[Symbol.asyncDispose]()));
  }
}

/** Nodes of one cluster, up and acquainted. */
export class WiredNodes implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly prefix = `wired-${crypto.randomUUID()}`;
  readonly #nodes: WiredNode[] = [];

  constructor(redis: RedisServer) {
    this.redis = redis;
  }

  async start(nodeIds: readonly string[], options: RedisBackplaneOptions = {}): Promise<WiredNode[]> {
    const nodes = await Promise.all(nodeIds.map((nodeId) => WiredNode.start(this.redis, nodeId, { ...options, prefix: this.prefix })));
    this.#nodes.push(...nodes);
    await Promise.all(nodes.map(({ link }) => link.ready()));
    return nodes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}
