import type { ClusterMap, NodeAction } from '../contract.ts';
import { launchInMemory, launchOnRedis } from './launch.ts';
import { listenFrom } from './ports.ts';
import { MemoryHistory } from './history.ts';
import type { Launch, RunningNode } from './running-node.ts';

export interface ClusterOptions {
  /** The pages that may connect. */
  readonly origins: readonly string[];
  /** The first port to try. Each node listens on the next free one. 0: any free port. */
  readonly port: number;
  readonly host: string;
  /** The URL of a Redis. Each node is then a process of its own. Default: all nodes in this process, with the memory backplane. */
  readonly redis?: string | undefined;
  /** Prints a line for the user. */
  readonly report: (line: string) => void;
}

const NODE_IDS = ['node-1', 'node-2', 'node-3'];

/** Runs three nodes. Each can be stopped, and started again on its port. Nodes that are processes can be killed. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #launch: Launch;
  readonly #history = new MemoryHistory();
  readonly #ports = new Map<string, number>();
  readonly #nodes = new Map<string, RunningNode>();
  /** Settles when all changes so far are done: one runs at a time, so no node is started while it stops. */
  #changes: Promise<void> = Promise.resolve();

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.#launch = options.redis === undefined ? launchInMemory() : launchOnRedis(options.redis);
  }

  /** Starts all nodes. @throws Error of a node that failed to start, after the others were stopped */
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

  /** Runs an action. Idempotent. Returns false if there is no such node, or the action is not available. */
  async change(nodeId: string, action: NodeAction): Promise<boolean> {
    const port = this.#ports.get(nodeId);
    if (port === undefined || !this.map.actions.includes(action)) return false;
    const change = this.#changes.then(() => (action === 'start' ? this.#start(nodeId, port) : this.#nodes.get(nodeId)?.[action]?.()));
    this.#changes = change.catch(() => undefined); // the caller gets the error
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
      this.#launch({ nodeId, nodeIds: NODE_IDS, history: this.#history, origins, port: candidate, host, report });
    const isRestart = this.#ports.has(nodeId); // its clients reconnect to the same port
    const node = isRestart ? await launch(port) : await listenFrom(port, launch, (busy) => report(`Port ${busy} is taken.`));
    this.#nodes.set(nodeId, node);
    this.#ports.set(nodeId, node.port);
  }
}
