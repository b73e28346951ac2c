import type { Backplane, Link, LinkObserver, LocalState, NodeInfo, ProcessId } from '@hubline/server/backplane';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { startProxy, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import type { BackplaneFixture, Entry } from '@hubline/testing/conformance';

/** No test opens more links at a time. */
const LINKS = 4;

export interface Commands {
  hkeys(key: string): Promise<string[]>;
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
}

export interface ProxiedOptions {
  /** Every Redis that there is. */
  readonly servers: readonly RedisServer[];
  /** A client that finds every key. */
  readonly redis: Commands;
  readonly isCluster: boolean;
  readonly options: RedisBackplaneOptions;
}

/** A Hubline cluster in one Redis: each process has a way of its own to get there, on which things can go wrong. */
export class ProxiedBackplane implements Backplane, AsyncDisposable {
  readonly prefix = `test-${crypto.randomUUID()}`;
  readonly #parts: ProxiedOptions;
  readonly #free: (readonly TcpProxy[])[];
  readonly #ways = new Map<ProcessId, readonly TcpProxy[]>();

  private constructor(parts: ProxiedOptions, free: (readonly TcpProxy[])[]) {
    this.#parts = parts;
    this.#free = free;
  }

  static async to(parts: ProxiedOptions): Promise<ProxiedBackplane> {
    const way = (): Promise<readonly TcpProxy[]> => Promise.all(parts.servers.map(({ url }) => startProxy(url)));
    return new ProxiedBackplane(parts, await Promise.all(Array.from({ length: LINKS }, way)));
  }

  open(self: NodeInfo, local: LocalState, observer: LinkObserver): Link {
    const way = this.#free.pop();
    if (!way) throw new RangeError(`A test has at most ${LINKS} links.`);
    this.#ways.set(self.process, way);
    return redisBackplane({ ...this.#parts.options, ...this.#by(way), prefix: this.prefix }).open(self, local, observer);
  }

  wayOf(process: ProcessId): readonly TcpProxy[] {
    const way = this.#ways.get(process);
    if (!way) throw new RangeError(`No link of ${process}.`);
    return way;
  }

  async expire(process: ProcessId): Promise<void> {
    for (const proxy of this.wayOf(process)) proxy.halfOpen();
    for (const incarnation of await this.#incarnations(process)) {
      await this.#parts.redis.call('DEL', `${this.prefix}:{nodes}:lease:${incarnation}`);
    }
  }

  async lose(process: ProcessId, entry: Entry): Promise<void> {
    for (const [key, field] of await this.#places(process, entry)) {
      await (field === undefined ? this.#parts.redis.call('DEL', key) : this.#parts.redis.call('HDEL', key, field));
    }
  }

  /** A value, or a member of a set, that no node writes. */
  async spoil(process: ProcessId, entry: Entry): Promise<void> {
    const { redis } = this.#parts;
    for (const [key, field] of await this.#places(process, entry)) {
      const type = await redis.call('TYPE', key);
      if (type === 'none') continue;
      if (field !== undefined) await redis.call('HSET', key, field, 'no JSON {');
      else if (type === 'hash') for (const each of await redis.hkeys(key)) await redis.call('HSET', key, each, 'no JSON {');
      else if (type === 'set') await redis.call('SADD', key, '%E0%A4%A');
      else await redis.call('SET', key, 'no JSON {');
    }
  }

  async retype(process: ProcessId, entry: Entry): Promise<void> {
    for (const [key] of await this.#places(process, entry)) {
      if ((await this.#parts.redis.call('DEL', key)) === 0) continue;
      await this.#parts.redis.call('RPUSH', key, 'something else');
    }
  }

  /** The leases first: they are read together with everything else. */
  async flush(): Promise<void> {
    const { servers, redis } = this.#parts;
    const names = await redis.hkeys(`${this.prefix}:{nodes}`);
    if (names.length === 0) throw new Error('There is nothing to flush.');
    const masters: RedisServer[] = [];
    for (const server of servers) {
      const [role] = (await server.call('ROLE').catch(() => [])) as readonly string[];
      if (role !== 'master') continue;
      const holds = await server.keys(`${this.prefix}:{nodes}`);
      if (holds.length > 0) masters.unshift(server);
      else masters.push(server);
    }
    await Promise.all(masters.map((master) => master.call('FLUSHALL')));
  }

  async #incarnations(process: ProcessId): Promise<readonly string[]> {
    const all = await this.#parts.redis.hkeys(`${this.prefix}:{nodes}`);
    return all.filter((each) => each.startsWith(`${process}.`));
  }

  /** The keys of a kind that the process has written, or their fields. */
  async #places(process: ProcessId, entry: Entry): Promise<readonly (readonly [key: string, field?: string])[]> {
    const incarnation = (await this.#incarnations(process)).at(-1);
    if (incarnation === undefined) throw new Error(`${process} is not registered.`);
    const id = (await this.#parts.redis.hkeys(`${this.prefix}:{${incarnation}}:records`))[0];
    const own = (kind: string): readonly [string] => [`${this.prefix}:{${incarnation}}:${kind}`];
    const nodes = (kind: string): string => `${this.prefix}:{nodes}:${kind}`;
    switch (entry) {
      case 'registry':
        return [[`${this.prefix}:{nodes}`, incarnation]];
      case 'lease':
      case 'watches':
        return [[nodes(`${entry}:${incarnation}`)]];
      case 'watched':
        return [[nodes('watched'), incarnation]];
      case 'counts':
        return [[`${this.prefix}:{t}:counts`, incarnation]];
      case 'members':
        return [[`${this.prefix}:{t}:members:${incarnation}`]];
      case 'groups':
        return [own(`groups:${id}`)];
      case 'writes':
        return Array.from({ length: 20 }, (_, tag) => [`${this.prefix}:{${tag}}:writes:${incarnation}`] as const);
      case 'topics':
      case 'records':
      case 'flushed':
        return [own(entry)];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#free, ...this.#ways.values()].flat().map((proxy) => proxy[Symbol.asyncDispose]()));
  }

  #by(way: readonly TcpProxy[]): RedisBackplaneOptions {
    const { servers, isCluster } = this.#parts;
    if (!isCluster) return { port: way[0]!.port };
    const seeds = servers.map(({ port }) => ({ host: '127.0.0.1', port }));
    const natMap = Object.fromEntries(seeds.map(({ host, port }, i) => [`${host}:${port}`, { host, port: way[i]!.port }]));
    return { cluster: seeds, natMap };
  }
}

const each =
  (does: (proxy: TcpProxy) => void | Promise<void>) =>
  async (backplane: ProxiedBackplane, process: ProcessId): Promise<void> => {
    await Promise.all(backplane.wayOf(process).map(async (proxy) => does(proxy)));
  };

export const faults: BackplaneFixture<ProxiedBackplane>['faults'] = {
  freeze: each((proxy) => proxy.halfOpen()),
  expire: (backplane, process) => backplane.expire(process),
  thaw: each((proxy) => proxy.heal()),
  cut: each((proxy) => proxy.cut()),
  heal: each((proxy) => proxy.heal()),
  lose: (backplane, process, entry) => backplane.lose(process, entry),
  spoil: (backplane, process, entry) => backplane.spoil(process, entry),
  retype: (backplane, process, entry) => backplane.retype(process, entry),
  flush: (backplane) => backplane.flush(),
};

/** Beats are short, so that tests are; a link that a test freezes for a moment is not lost by it. */
export const SHORT_BEATS = { heartbeatIntervalMs: 100, nodeTimeoutMs: 4000, redisTimeoutMs: 3000, onUnavailable: 'reject' } as const;
