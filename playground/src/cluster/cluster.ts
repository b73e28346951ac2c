import { memoryBackplane, type HubServer } from '@hubline/server';
import type { ClusterMap } from '../contract.ts';
import { createNode } from './node.ts';
import { listenFrom } from './ports.ts';
import { Rooms } from './rooms.ts';

export interface ClusterOptions {
  /** The pages that may connect. */
  readonly origins: readonly string[];
  /** The first port to try; each node takes the next free one. 0: any. */
  readonly port: number;
  readonly host: string;
  /** Takes a line about what a person should know. */
  readonly report: (line: string) => void;
}

const NODE_IDS = ['node-1', 'node-2', 'node-3'];

/** Three nodes in this process, joined by memory. Each can be stopped, and started again on its port. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #backplane = memoryBackplane();
  readonly #rooms = new Rooms();
  readonly #ports = new Map<string, number>();
  readonly #running = new Map<string, HubServer>();
  /** One change at a time: a node is not started while it stops. */
  #changes: Promise<void> = Promise.resolve();

  private constructor(options: ClusterOptions) {
    this.#options = options;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    let { port } = options;
    for (const nodeId of NODE_IDS) {
      await cluster.#start(nodeId, port);
      if (port > 0) port = (cluster.#ports.get(nodeId) ?? port) + 1;
    }
    return cluster;
  }

  get map(): ClusterMap {
    return { nodes: [...this.#ports].map(([nodeId, port]) => ({ nodeId, port })) };
  }

  /** Idempotent. False where there is no such node. */
  async set(nodeId: string, running: boolean): Promise<boolean> {
    const port = this.#ports.get(nodeId);
    if (port === undefined) return false;
    const change = this.#changes.then(() => (running ? this.#start(nodeId, port) : this.#stop(nodeId)));
    this.#changes = change.catch(() => undefined); // told to whoever asked for it
    await change;
    return true;
  }

  async close(): Promise<void> {
    await Promise.all(NODE_IDS.map((nodeId) => this.set(nodeId, false)));
  }

  async #start(nodeId: string, port: number): Promise<void> {
    if (this.#running.has(nodeId)) return;
    const { origins, host, report } = this.#options;
    const node = createNode({ nodeId, nodeIds: NODE_IDS, backplane: this.#backplane, rooms: this.#rooms, origins, report });
    const isRestart = this.#ports.has(nodeId); // its clients look for it where it was
    const listen = (candidate: number): Promise<number> => node.listen(candidate, host);
    try {
      this.#ports.set(nodeId, isRestart ? await listen(port) : await listenFrom(port, listen, (busy) => report(`Port ${busy} is taken.`)));
    } catch (error) {
      await node.close();
      throw error;
    }
    this.#running.set(nodeId, node);
  }

  async #stop(nodeId: string): Promise<void> {
    const node = this.#running.get(nodeId);
    this.#running.delete(nodeId);
    await node?.close();
  }
}
