import type { NodeInfo, ProcessId } from '../backplane/index.ts';

/** The processes that are in the cluster, as far as this node has heard: kept by the link's events. */
export class Nodes {
  readonly #live = new Map<ProcessId, NodeInfo>();

  constructor(self: NodeInfo) {
    this.#live.set(self.process, self);
  }

  joined(node: NodeInfo): void {
    this.#live.set(node.process, node);
  }

  lost(node: NodeInfo): void {
    this.#live.delete(node.process);
  }

  get(process: ProcessId): NodeInfo | undefined {
    return this.#live.get(process);
  }

  all(): readonly NodeInfo[] {
    return [...this.#live.values()];
  }

  /** A name for people: the process where the node is not known (any more). */
  nameOf(process: ProcessId): string {
    return this.#live.get(process)?.nodeId ?? process;
  }
}
