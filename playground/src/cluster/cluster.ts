import type { ClusterMap, NodeAction } from '../contract.ts';
import { launchInMemory, launchOnRedis } from './launch.ts';
import { listenFrom } from './ports.ts';
import { Rooms } from './rooms.ts';
import type { Launch, RunningNode } from './running-node.ts';

export interface ClusterOptions {
  /** The pages that may connect. */
  readonly origins: readonly string[];
  /** The first port to try; each node takes the next free one. 0: any. */
  readonly port: number;
  readonly host: string;
  /** URL of the Redis that joins the nodes, each a process of its own. Default: nodes in this process on the memory backplane. */
  readonly redis?: string | undefined;
  /** Takes a line about what a person should know. */
  readonly report: (line: string) => void;
}

const NODE_IDS = ['node-1', 'node-2', 'node-3'];

/** Three nodes. Each can be stopped, and started again on its port; those that are processes can be killed. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #launch: Launch;
  readonly #rooms = new Rooms();
  readonly #ports = new Map<string, number>();
  readonly #nodes = new Map<string, RunningNode>();
  /** One change at a time: a node is not started while it stops. */
  #changes: Promise<void> = Promise.resolve();

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.#launch = options.redis === undefined ? launchInMemory() : launchOnRedis(options.redis);
  }

  /** @throws Error what a node failed with; none is left then */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    let { port } = options;
    try {
      for (const nodeId of NODE_IDS) {
        await cluster.#start(nodeId, port);
        if (port > 0) port = (cluster.#ports.get(nodeId) ?? port) + 1;
      }
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  get map(): ClusterMap {
    const actions: readonly NodeAction[] = this.#options.redis === undefined ? ['start', 'stop'] : ['start', 'stop', 'kill'];
    return { nodes: [...this.#ports].map(([nodeId, port]) => ({ nodeId, port })), actions };
  }

  /** Idempotent. False where there is no such node, or it cannot do that. */
  async change(nodeId: string, action: NodeAction): Promise<boolean> {
    const port = this.#ports.get(nodeId);
    if (port === undefined || !this.map.actions.includes(action)) return false;
    const change = this.#changes.then(() => (action === 'start' ? this.#start(nodeId, port) : this.#nodes.get(nodeId)?.[action]?.()));
    this.#changes = change.catch(() => undefined); // told to whoever asked for it
    await change;
    return true;
  }

  async close(): Promise<void> {
    await this.#changes;
    await Promise.all([...this.#nodes.values()].map((node) => node.stop()));
  }

  async #start(nodeId: string, port: number): Promise<void> {
    if (this.#nodes.get(nodeId)?.isRunning) return;
    const { origins, host, report } = this.#options;
    const launch = (candidate: number): Promise<RunningNode> =>
      this.#launch({ nodeId, nodeIds: NODE_IDS, rooms: this.#rooms, origins, port: candidate, host, report });
    const isRestart = this.#ports.has(nodeId); // its clients look for it where it was
    const node = isRestart ? await launch(port) : await listenFrom(port, launch, (busy) => report(`Port ${busy} is taken.`));
    this.#nodes.set(nodeId, node);
    this.#ports.set(nodeId, node.port);
  }
}
