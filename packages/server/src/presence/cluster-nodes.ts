import type { NodeInfo, ProcessId } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';

interface Lost {
  readonly node: NodeInfo;
  /** When the node's lease ended; undefined where the node left with a goodbye. */
  readonly lapsedAt: number | undefined;
}

/** The processes that are in the cluster, as the link's events have reported them. */
export class ClusterNodes {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #live = new Map<ProcessId, NodeInfo>();
  /** The processes that were lost and are not back: reports about them and about their clients still need their names. */
  readonly #lost = new Map<ProcessId, Lost>();

  constructor(self: NodeInfo, clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
    this.#live.set(self.process, self);
  }

  /** Adds a process. False where it was known all the time, and only its link was down. */
  joined(node: NodeInfo): boolean {
    const isNew = !this.#live.has(node.process);
    this.#live.set(node.process, node);
    this.#lost.delete(node.process);
    return isNew;
  }

  /** Records the loss of a process. False where it was lost already. */
  lost(node: NodeInfo, reason: 'goodbye' | 'lease'): boolean {
    if (!this.#live.delete(node.process)) return false;
    this.#lost.set(node.process, { node, lapsedAt: reason === 'lease' ? this.#clock.elapsed() : undefined });
    const [oldest] = this.#lost.size > LOST_KEPT ? this.#lost.keys() : [];
    if (oldest !== undefined) this.#lost.delete(oldest);
    return true;
  }

  get(process: ProcessId): NodeInfo | undefined {
    return this.#live.get(process);
  }

  all(): readonly NodeInfo[] {
    return [...this.#live.values()];
  }

  /** The nodes whose lease ended within the last minute: a frozen or isolated process still has its connections. */
  lapsed(): readonly NodeInfo[] {
    const since = this.#clock.elapsed() - LAPSED_MS;
    return [...this.#lost.values()].flatMap(({ node, lapsedAt = -Infinity }) => (lapsedAt > since ? node : []));
  }

  /** Whether the process was lost, and is among the last losses, which are remembered. */
  isLost(process: ProcessId): boolean {
    return this.#lost.has(process);
  }

  /** Whether the process is lost, and a later process of the same node is up: the restart has ended all its connections. */
  isReplaced(process: ProcessId): boolean {
    const lost = this.#lost.get(process)?.node;
    return lost !== undefined && this.all().some(({ nodeId, startedAt }) => nodeId === lost.nodeId && startedAt > lost.startedAt);
  }

  /** A readable name: the node's or, where that is unknown or no longer remembered, the process id. */
  nameOf(process: ProcessId): string {
    return (this.#live.get(process) ?? this.#lost.get(process)?.node)?.nodeId ?? process;
  }
}

const LOST_KEPT = 1000;
const LAPSED_MS = 60_000;
