import { startRedisCluster, type RedisCluster } from '../redis/redis-cluster.ts';
import { startRedis, type RedisServer } from '../redis/redis-server.ts';
import type { ProcessSandboxOptions } from './process-sandbox.ts';
import { startProxy, type TcpProxy } from './proxy.ts';

/** The store that connects the nodes of a cluster: none, a Redis, or a Redis Cluster. */
export type BackplaneKind = 'memory' | 'redis' | 'redis-cluster';

/** The store of a cluster, and the links of its nodes. */
export interface Store extends AsyncDisposable {
  readonly redis: RedisServer | undefined;
  readonly redisCluster: RedisCluster | undefined;
  /** One proxy for each node, in front of the Redis. Empty without one, and with a Redis Cluster, whose nodes name their own addresses. */
  readonly links: readonly TcpProxy[];
}

/** @throws RangeError for several nodes without a store: they are processes, which share no memory */
export async function startStore(kind: BackplaneKind, nodes: number, { logs, onTestFailed }: ProcessSandboxOptions): Promise<Store> {
  if (kind === 'memory' && nodes > 1) throw new RangeError('Nodes are processes, which share no memory: use a Redis, or one node.');
  const options = { ...(logs === undefined ? {} : { logs }), ...(onTestFailed && { onTestFailed }) };
  const started: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(each: T): T => {
    started.push(each);
    return each;
  };
  const dispose = async (): Promise<void> => {
    for (const each of started.reverse()) await each[Symbol.asyncDispose]();
  };
  try {
    const redis = kind === 'redis' ? keep(await startRedis(options)) : undefined;
    const redisCluster = kind === 'redis-cluster' ? keep(await startRedisCluster(options)) : undefined;
    const links: TcpProxy[] = [];
    if (redis) for (let i = 1; i <= nodes; i++) links.push(keep(await startProxy(redis.url, { name: `link of node-${i}` })));
    return { redis, redisCluster, links, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
