import type { NodeInfo, ProcessId } from '../backplane/index.ts';

/** The processes that are in the cluster, as far as this node has heard: kept by the link's events. */
export class Nodes {
  readonly #live = new Map<ProcessId, NodeInfo>();
  /** The names of those that were lost: what is told of their end, and of their clients', names them. */
  readonly #lost = new Map<ProcessId, string>();

  constructor(self: NodeInfo) {
    this.#live.set(self.process, self);
  }

  joined(node: NodeInfo): void {
    this.#live.set(node.process, node);
  }

  lost(node: NodeInfo): void {
    this.#live.delete(node.process);
    this.#lost.set(node.process, node.nodeId);
    const [oldest] = this.#lost.size > NAMES_KEPT ? this.#lost.keys() : [];
    if (oldest !== undefined) this.#lost.delete(oldest);
  }

  get(process: ProcessId): NodeInfo | undefined {
    return this.#live.get(process);
  }

  all(): readonly NodeInfo[] {
    return [...this.#live.values()];
  }

  /** A name for people: the process where the node was never heard of, or is long lost. */
  nameOf(process: ProcessId): string {
    return this.#live.get(process)?.nodeId ?? this.#lost.get(process) ?? process;
  }
}

const NAMES_KEPT = 1000;
