import type { Backplane, Link, LinkObserver, Local, NodeInfo, ProcessId } from '@hubline/server/backplane';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { startProxy, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import type { BackplaneFixture } from '@hubline/testing/conformance';

/** No test opens more links at a time. */
const LINKS = 4;

export interface ProxiedOptions {
  /** Every Redis that there is. */
  readonly servers: readonly RedisServer[];
  /** Deletes a key, wherever it is, and names what is in a hash. */
  readonly redis: { del(key: string): Promise<unknown>; hkeys(key: string): Promise<string[]> };
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

  open(self: NodeInfo, local: Local, observer: LinkObserver): Link {
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
    const { redis } = this.#parts;
    const incarnations = await redis.hkeys(`${this.prefix}:{nodes}`);
    for (const incarnation of incarnations.filter((each) => each.startsWith(`${process}.`))) {
      await redis.del(`${this.prefix}:{nodes}:lease:${incarnation}`);
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
};

/** Beats are short, so that tests are; a link that a test freezes for a moment is not lost by it. */
export const SHORT_BEATS = { heartbeatIntervalMs: 100, nodeTimeoutMs: 4000, redisTimeoutMs: 3000, onUnavailable: 'reject' } as const;
