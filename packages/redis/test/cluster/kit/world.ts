import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { until } from '@hubline/testing';
import {
  startCluster,
  startProxy,
  startRedis,
  type Cluster,
  type ClusterNode,
  type RedisServer,
  type TcpProxy,
} from '@hubline/testing/cluster';
import type { RedisBackplaneOptions } from '@hubline/redis';
import { Client, type ClientOptions } from './client.ts';

export interface WorldOptions {
  /** Default 4. */
  readonly nodes?: number;
  /** Default: a lease of 3 s, renewed every 300 ms. */
  readonly backplane?: RedisBackplaneOptions;
  /** By which they go, as people call them: by the index. Default `node-1` …; two may have one. */
  readonly nodeId?: (index: number) => string;
  /** Each node has a way of its own to Redis, on which things can go wrong. Default false. */
  readonly links?: boolean;
  /** Vitest's. */
  readonly onTestFailed?: (print: () => void) => void;
}

/** What a node said had happened to it. */
export interface Happening {
  readonly event: string;
  readonly nodeId?: string;
  readonly process?: string;
  readonly reason?: string;
  readonly gap?: { readonly channel?: string; readonly lost?: number; readonly ms: number };
  readonly message?: string;
  readonly [field: string]: unknown;
}

const MEMBER = new URL('./member.ts', import.meta.url);
const PREFIX = 'world';
const PING_MS = 5000;

/** Nodes, a Redis, and clients of theirs. */
export class World implements AsyncDisposable {
  readonly prefix = PREFIX;
  readonly redis: RedisServer;
  readonly links: readonly TcpProxy[];
  readonly clients = new Set<Client>();
  readonly #cluster: Cluster;
  readonly #pinging: NodeJS.Timeout;

  private constructor(redis: RedisServer, links: readonly TcpProxy[], cluster: Cluster) {
    this.redis = redis;
    this.links = links;
    this.#cluster = cluster;
    this.#pinging = setInterval(() => {
      for (const client of this.clients) client.ping();
    }, PING_MS);
  }

  static async start({ nodes = 4, backplane = {}, links: count = false, ...more }: WorldOptions = {}): Promise<World> {
    const { nodeId = (index) => `node-${index + 1}`, onTestFailed } = more;
    const failed = onTestFailed ? { onTestFailed } : {};
    const redis = await startRedis(failed);
    const links = count ? await Promise.all(Array.from({ length: nodes }, (_, i) => startProxy(redis.url, { name: `link-${i + 1}` }))) : [];
    const options: RedisBackplaneOptions = { heartbeatIntervalMs: 300, nodeTimeoutMs: 3000, ...backplane };
    const cluster = await startCluster({
      nodes,
      entry: MEMBER,
      redis: (index) => links[index] ?? redis,
      args: (index) => ['--prefix', PREFIX, '--node-id', nodeId(index), '--backplane', JSON.stringify(options)],
      startedMs: 30_000,
      ...failed,
    });
    return new World(redis, links, cluster);
  }

  get nodes(): readonly ClusterNode[] {
    return this.#cluster.nodes;
  }

  /** By its number, from 1. */
  node(number: number): ClusterNode {
    return this.#cluster.node(`node-${number}`);
  }

  async connect(number: number, options: ClientOptions = {}): Promise<Client> {
    const client = await Client.open(this.node(number), options);
    this.clients.add(client);
    void client.closed.then(() => this.clients.delete(client));
    return client;
  }

  /** So many of each kind, a few at a time. */
  async crowd(number: number, each: readonly ClientOptions[]): Promise<Client[]> {
    const clients: Client[] = [];
    for (let i = 0; i < each.length; i += 25) {
      clients.push(...(await Promise.all(each.slice(i, i + 25).map((options) => this.connect(number, options)))));
    }
    return clients;
  }

  /** What a node streams, until it ends or the signal aborts. */
  async *stream<T = Record<string, unknown>>(number: number, op: string, { args = [], signal }: StreamOptions = {}): AsyncGenerator<T> {
    const response = await fetch(this.node(number).announcement.streams as string, {
      method: 'POST',
      body: JSON.stringify({ op, args }),
      ...(signal ? { signal } : {}),
    });
    if (!response.body) return;
    try {
      for await (const line of createInterface(Readable.fromWeb(response.body as never))) yield JSON.parse(line) as T;
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  /** Everything that has happened to a node so far. */
  async happened(number: number): Promise<readonly Happening[]> {
    return all(this.stream<Happening>(number, 'happened'));
  }

  /** Resolves when Redis has it too. */
  async send(number: number, target: object, text: string): Promise<void> {
    await this.node(number).ask('send', [target, 'Message', [text]]);
  }

  /** Awaited, it is in effect everywhere. */
  async join(client: Client, group: string, by = 1): Promise<void> {
    await this.node(by).ask('groups.add', [client.id, group]);
    client.groups.add(group);
  }
  async part(client: Client, group: string, by = 1): Promise<void> {
    await this.node(by).ask('groups.remove', [client.id, group]);
    client.groups.delete(group);
  }
  async set(client: Client, { key, value, by = 1 }: { key: string; value: string; by?: number }): Promise<void> {
    await this.node(by).ask('attributes.set', [client.id, key, value]);
    client.attributes[key] = value;
  }

  async isOnline(number: number, user: string): Promise<boolean> {
    return this.node(number).ask('presence.isOnline', [user]);
  }

  async count(number: number, filter: object = { all: true }): Promise<{ readonly value: number; readonly complete: boolean }> {
    return this.node(number).ask('presence.count', [filter]);
  }

  /** Waits until every one of these nodes says so many. */
  async counted(value: number, numbers: readonly number[] = this.nodes.map((_, i) => i + 1)): Promise<void> {
    for (const number of numbers) {
      await until(async () => {
        const count = await this.count(number);
        if (count.value === value && count.complete) return true;
        throw new Error(`node-${number} counts ${JSON.stringify(count)} instead of ${value}`);
      }, PATIENT);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pinging);
    const closed = [...this.clients].map((client) => client[Symbol.asyncDispose]());
    await this.#cluster[Symbol.asyncDispose]();
    await Promise.all(closed);
    await Promise.all(this.links.map((link) => link[Symbol.asyncDispose]()));
    await this.redis[Symbol.asyncDispose]();
  }
}

export interface StreamOptions {
  readonly args?: readonly unknown[];
  readonly signal?: AbortSignal;
}

/** Long enough for anything that must come, on a busy machine too. */
export const PATIENT = { timeoutMs: 20_000, intervalMs: 20 };

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
