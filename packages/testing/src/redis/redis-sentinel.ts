import { until } from '../until.ts';
import { startRedis, startServer, type RedisOptions, type RedisServer } from './redis-server.ts';

export interface RedisSentinelOptions extends Pick<RedisOptions, 'program' | 'logs' | 'onTestFailed'> {
  /** How long the master is silent until it counts as down. Default 1,000. */
  readonly downAfterMs?: number;
}

const MASTER_NAME = 'hubline';

/** A master, its replica, and one Sentinel that decides alone. Resolves when it is {@link RedisSentinel.ready}. */
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
    // It asks every ten seconds and pings every second, and tests are impatient. A replica is fit to take over when it was
    // heard five pings ago at most; once the master is down it is asked every second.
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
  /** The name of the master, as clients know it. */
  readonly masterName = MASTER_NAME;
  readonly sentinel: RedisServer;
  /** At first the master and its replica. */
  readonly nodes: readonly RedisServer[];

  constructor(sentinel: RedisServer, nodes: readonly RedisServer[]) {
    this.sentinel = sentinel;
    this.nodes = nodes;
  }

  /** The master's address, as the Sentinel reports it. */
  async master(): Promise<RedisServer> {
    const [, port] = (await this.sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
    const master = this.nodes.find((node) => node.port === Number(port));
    if (!master) throw new Error(`The Sentinel names port ${port}.`);
    return master;
  }

  /**
   * Resolves when the Sentinel's master is one and answers, and the other one, where it answers, is its replica and fit to
   * take over.
   * @throws Error after 20 s
   */
  async ready(): Promise<void> {
    await until(() => this.#isReady(), { timeoutMs: SETTLED_MS, intervalMs: 20 });
  }

  /** Makes the replica the master, in good order. Resolves with it. */
  async failover(): Promise<RedisServer> {
    const before = await this.master();
    const isDone = async (): Promise<boolean> => {
      if ((await this.master()) !== before) return true;
      // Refused while one is under way. On a busy machine a Sentinel gives one up: for a moment it finds no replica fit.
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

/** A list of names and values, in turn. */
function asRecord(pairs: readonly string[]): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1]] as const] : [])));
}
