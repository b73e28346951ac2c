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

type Node = Pick<ClusterNode, 'nodeId' | 'kill' | 'stop' | 'start' | 'freeze' | 'thaw' | 'isRunning'>;
type Redis = Pick<RedisServer, 'name' | 'stop' | 'start' | 'pause' | 'resume' | 'flush' | 'isRunning'>;
type Link = Pick<TcpProxy, 'name' | 'drop' | 'cut' | 'refuse' | 'delay' | 'halfOpen' | 'heal'>;

const again = async (what: Pick<Node, 'isRunning' | 'start'>): Promise<void> => {
  if (!what.isRunning) await what.start();
};
const nothing = (): void => undefined;

export const faults = {
  /** Kills the node (SIGKILL). Healing starts it again. */
  kill: (node: Node): Fault => ({ name: `kill ${node.nodeId}`, inflict: () => node.kill(), heal: () => again(node) }),
  /** Stops the node (SIGTERM). Healing starts it again. */
  stop: (node: Node): Fault => ({ name: `stop ${node.nodeId}`, inflict: () => node.stop(), heal: () => again(node) }),
  freeze: (node: Node): Fault => ({ name: `freeze ${node.nodeId}`, inflict: () => node.freeze(), heal: () => node.thaw() }),

  /** Kills Redis (SIGKILL). Healing starts it again, empty. */
  stopRedis: (redis: Redis): Fault => ({ name: `stop ${redis.name}`, inflict: () => redis.stop(), heal: () => again(redis) }),
  pauseRedis: (redis: Redis): Fault => ({ name: `pause ${redis.name}`, inflict: () => redis.pause(), heal: () => redis.resume() }),
  flushRedis: (redis: Redis): Fault => ({ name: `flush ${redis.name}`, inflict: () => redis.flush(), heal: nothing }),

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
