import type { RedisCluster } from '../redis/redis-cluster.ts';
import type { RedisSentinel } from '../redis/redis-sentinel.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { TcpProxy } from './proxy.ts';

/** A fault as a value, so that a test can choose one at random and report its name. */
export interface Fault {
  /** `freeze node-2` */
  readonly name: string;
  inflict(): void | Promise<void>;
  /** Ends the fault. On a link it ends all faults. Does nothing if the fault was not inflicted. */
  heal(): void | Promise<void>;
}

type Node = Pick<
  ClusterNode,
  'nodeId' | 'kill' | 'stop' | 'start' | 'restart' | 'freeze' | 'thaw' | 'isRunning' | 'block' | 'unblock' | 'skew'
>;
type Redis = Pick<RedisServer, 'name' | 'stop' | 'start' | 'pause' | 'resume' | 'flush' | 'isRunning'>;
type Keys = Pick<RedisServer, 'name' | 'keys' | 'call'>;
type Link = Pick<TcpProxy, 'name' | 'drop' | 'cut' | 'refuse' | 'delay' | 'halfOpen' | 'heal'>;

const again = async (what: Pick<Node, 'isRunning' | 'start'>): Promise<void> => {
  if (!what.isRunning) await what.start();
};
const nothing = (): void => undefined;

export const faults = {
  /** Kills the node (SIGKILL). Healing starts it again. */
  kill: (node: Node): Fault => ({ name: `kill ${node.nodeId}`, inflict: () => node.kill(), heal: () => again(node) }),
  /** Stops the node (SIGTERM): a Hubline server that then calls `close` drains its clients. Healing starts it again. */
  stop: (node: Node): Fault => ({ name: `stop ${node.nodeId}`, inflict: () => node.stop(), heal: () => again(node) }),
  freeze: (node: Node): Fault => ({ name: `freeze ${node.nodeId}`, inflict: () => node.freeze(), heal: () => node.thaw() }),
  /** Kills the node and starts it again. */
  restart: (node: Node): Fault => ({ name: `restart ${node.nodeId}`, inflict: () => node.restart(), heal: () => again(node) }),
  /** Blocks the event loop of the node. */
  block: (node: Node): Fault => ({ name: `block ${node.nodeId}`, inflict: () => node.block(), heal: () => node.unblock() }),
  /** Sets `Date` of the node wrong; see {@link ClusterNode.skew}. */
  skew: (node: Node, ms: number): Fault => ({
    name: `skew ${node.nodeId} by ${ms} ms`,
    inflict: () => node.skew(ms),
    heal: () => (node.isRunning ? node.skew(0) : undefined),
  }),

  /** Kills Redis (SIGKILL). Healing starts it again, empty. */
  stopRedis: (redis: Redis): Fault => ({ name: `stop ${redis.name}`, inflict: () => redis.stop(), heal: () => again(redis) }),
  pauseRedis: (redis: Redis): Fault => ({ name: `pause ${redis.name}`, inflict: () => redis.pause(), heal: () => redis.resume() }),
  flushRedis: (redis: Redis): Fault => ({ name: `flush ${redis.name}`, inflict: () => redis.flush(), heal: nothing }),
  /** Deletes the first key that matches the pattern, as an eviction does. The owner writes it again. @throws Error if there is none */
  loseKey: (redis: Keys, pattern: string): Fault => ({
    name: `lose ${pattern} of ${redis.name}`,
    inflict: async () => {
      const [key] = await redis.keys(pattern);
      if (key === undefined) throw new Error(`${redis.name} has no key ${pattern}.`);
      await redis.call('DEL', key);
    },
    heal: nothing,
  }),
  /** Promotes a replica: of one master of a Redis Cluster, or by Sentinel. */
  failover: (redis: RedisCluster | RedisSentinel): Fault => ({
    name: 'fail over a master',
    inflict: async () => {
      if ('masterName' in redis) await redis.failover();
      else await redis.failover(await redis.masterOf(0));
    },
    heal: nothing,
  }),

  /** Destroys the open connections. */
  drop: (link: Link): Fault => ({ name: `drop ${link.name}`, inflict: () => link.drop(), heal: nothing }),
  refuse: (link: Link): Fault => ({ name: `refuse ${link.name}`, inflict: () => link.refuse(), heal: () => link.heal() }),
  /** Destroys the open connections and refuses new ones. */
  cut: (link: Link): Fault => ({ name: `cut ${link.name}`, inflict: () => link.cut(), heal: () => link.heal() }),
  halfOpen: (link: Link): Fault => ({ name: `half-open ${link.name}`, inflict: () => link.halfOpen(), heal: () => link.heal() }),
  delay: (link: Link, ms: number): Fault => ({
    name: `delay ${link.name} by ${ms} ms`,
    inflict: () => link.delay(ms),
    heal: () => link.heal(),
  }),
} as const;
