import type { Backplane, Link, LinkObserver, Local, NodeInfo, ProcessId } from '@hubline/server';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/server/redis';
import { startProxy, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import type { BackplaneFixture } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';

/** No test opens more links at a time. */
const LINKS = 6;

/** One cluster in one Redis: each process has a way of its own to get there, on which things can go wrong. */
export class ProxiedBackplane implements Backplane, AsyncDisposable {
  readonly prefix = `test-${crypto.randomUUID()}`;
  readonly #redis: Redis;
  readonly #free: TcpProxy[];
  readonly #options: RedisBackplaneOptions;
  readonly #proxies = new Map<ProcessId, TcpProxy>();

  private constructor(redis: Redis, free: TcpProxy[], options: RedisBackplaneOptions) {
    this.#redis = redis;
    this.#free = free;
    this.#options = options;
  }

  static async to({ url }: RedisServer, options: RedisBackplaneOptions = {}): Promise<ProxiedBackplane> {
    const proxies = await Promise.all(Array.from({ length: LINKS }, () => startProxy(url)));
    return new ProxiedBackplane(new Redis(url), proxies, options);
  }

  open(self: NodeInfo, local: Local, observer: LinkObserver): Link {
    const proxy = this.#free.pop();
    if (!proxy) throw new RangeError(`A test has at most ${LINKS} links.`);
    this.#proxies.set(self.process, proxy);
    return redisBackplane(proxy.url, { ...this.#options, prefix: this.prefix }).open(self, local, observer);
  }

  proxyOf(process: ProcessId): TcpProxy {
    const proxy = this.#proxies.get(process);
    if (!proxy) throw new RangeError(`No link of ${process}.`);
    return proxy;
  }

  async expire(process: ProcessId): Promise<void> {
    this.proxyOf(process).halfOpen();
    const incarnations = await this.#redis.hkeys(`${this.prefix}:{nodes}`);
    for (const incarnation of incarnations.filter((each) => each.startsWith(`${process}.`))) {
      await this.#redis.del(`${this.prefix}:{${incarnation}}:lease`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#free, ...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
    this.#redis.disconnect();
  }
}

export const faults: BackplaneFixture<ProxiedBackplane>['faults'] = {
  freeze: (backplane, process) => backplane.proxyOf(process).halfOpen(),
  expire: (backplane, process) => backplane.expire(process),
  thaw: (backplane, process) => backplane.proxyOf(process).heal(),
  cut: (backplane, process) => backplane.proxyOf(process).cut(),
  heal: (backplane, process) => backplane.proxyOf(process).heal(),
};
