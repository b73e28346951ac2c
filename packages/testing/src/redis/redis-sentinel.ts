import { until } from '../until.ts';
import { startRedis, startServer, type RedisOptions, type RedisServer } from './redis-server.ts';

export interface RedisSentinelOptions extends Pick<RedisOptions, 'program' | 'logs' | 'onTestFailed'> {
  /** The time without an answer after which the master counts as down. Default 1,000. */
  readonly downAfterMs?: number;
}

const MASTER_NAME = 'hubline';

/** Starts a master, its replica, and one Sentinel with quorum 1. Resolves when it is {@link RedisSentinel.ready}. */
export async function startSentinel({ downAfterMs = 1000, ...options }: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const servers: RedisServer[] = [];
  try {
    const args = ['--repl-diskless-sync-delay', '0'];
    const master = await startRedis({ ...options, name: 'redis-1', args });
    servers.push(master);
    const replica = await startRedis({ ...options, name: 'redis-2', args: [...args, '--replicaof', '127.0.0.1', String(master.port)] });
    servers.push(replica);
    const configuration = [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
      `sentinel failover-timeout ${MASTER_NAME} 2000`,
    ];
    const sentinel = await startServer({ ...options, name: 'sentinel' }, configuration.join('\n'));
    servers.push(sentinel);
    // The Sentinel sends INFO every ten seconds and PING every second by default, which is too slow for tests. A replica can be
    // promoted if it answered one of the last five pings. While the master is down, INFO is sent every second.
    await sentinel.call('SENTINEL', 'DEBUG', 'INFO-PERIOD', 100, 'PING-PERIOD', 400, 'PUBLISH-PERIOD', 200);
    const all = new RedisSentinel(sentinel, [master, replica]);
    await all.ready();
    return all;
  } catch (error) {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    throw error;
  }
}

export class RedisSentinel implements AsyncDisposable {
  /** The name of the master for clients. */
  readonly masterName = MASTER_NAME;
  readonly sentinel: RedisServer;
  /** The initial master and its initial replica. */
  readonly nodes: readonly RedisServer[];

  constructor(sentinel: RedisServer, nodes: readonly RedisServer[]) {
    this.sentinel = sentinel;
    this.nodes = nodes;
  }

  /** The present master according to the Sentinel. */
  async master(): Promise<RedisServer> {
    const [, port] = (await this.sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
    const master = this.nodes.find((node) => node.port === Number(port));
    if (!master) throw new Error(`The Sentinel reports the unknown port ${port}.`);
    return master;
  }

  /**
   * Resolves when the master of the Sentinel runs as a master, and the other server, if it runs, is a replica that can be
   * promoted.
   * @throws Error after 20 s
   */
  async ready(): Promise<void> {
    await until(() => this.#isReady(), { timeoutMs: SETTLED_MS, intervalMs: 20 });
  }

  /** Promotes the replica in an orderly failover. Resolves with the new master. */
  async failover(): Promise<RedisServer> {
    const before = await this.master();
    const isDone = async (): Promise<boolean> => {
      if ((await this.master()) !== before) return true;
      // Rejected during another failover. On a busy machine a Sentinel may abort a failover because it finds no suitable replica.
      await this.sentinel.call('SENTINEL', 'FAILOVER', MASTER_NAME).catch(() => undefined);
      return false;
    };
    await until(isDone, { timeoutMs: SETTLED_MS, intervalMs: 100 });
    await this.ready();
    return this.master();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sentinel, ...this.nodes].map((server) => server[Symbol.asyncDispose]()));
  }

  async #isReady(): Promise<boolean> {
    const master = await this.master();
    const others = this.nodes.filter((node) => node !== master && node.isRunning && !node.isPaused);
    if (((await master.call('ROLE')) as string[])[0] !== 'master') return false;
    if (!String(await this.sentinel.call('INFO', 'sentinel')).includes(`status=ok,address=127.0.0.1:${master.port}`)) return false;
    const replicas = ((await this.sentinel.call('SENTINEL', 'REPLICAS', MASTER_NAME)) as string[][]).map(asRecord);
    return others.every(({ port }) =>
      replicas.some(
        (replica) =>
          replica.port === String(port) &&
          replica.flags === 'slave' &&
          replica['master-port'] === String(master.port) &&
          replica['master-link-status'] === 'ok',
      ),
    );
  }
}

const SETTLED_MS = 20_000;

/** Converts a list of alternating names and values. */
function asRecord(pairs: readonly string[]): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1]] as const] : [])));
}
