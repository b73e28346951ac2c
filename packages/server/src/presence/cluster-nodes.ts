import type { NodeInfo, ProcessId } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';

interface Lost {
  readonly node: NodeInfo;
  /** When the lease expired, in milliseconds of the clock; undefined if the node left. */
  readonly expiredAt: number | undefined;
}

/** The processes of the cluster, as the link's events have reported them. */
export class ClusterNodes {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #live = new Map<ProcessId, NodeInfo>();
  /** The last lost processes that have not joined again: reports about them and their clients need their names. */
  readonly #lost = new Map<ProcessId, Lost>();

  constructor(self: NodeInfo, clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
    this.#live.set(self.process, self);
  }

  /** Adds a process. False if it was not lost: only its link was down. */
  joined(node: NodeInfo): boolean {
    const isNew = !this.#live.has(node.process);
    this.#live.set(node.process, node);
    this.#lost.delete(node.process);
    return isNew;
  }

  /** Records the loss of a process. False if it was lost already. */
  lost(node: NodeInfo, reason: 'goodbye' | 'lease'): boolean {
    if (!this.#live.delete(node.process)) return false;
    this.#lost.set(node.process, { node, expiredAt: reason === 'lease' ? this.#clock.elapsed() : undefined });
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

  /** The nodes whose lease expired within the last minute. A frozen or isolated process still has its connections. */
  expired(): readonly NodeInfo[] {
    const since = this.#clock.elapsed() - EXPIRED_MS;
    return [...this.#lost.values()].flatMap(({ node, expiredAt = -Infinity }) => (expiredAt > since ? node : []));
  }

  /** Whether the process is one of the last 1000 that were lost. */
  isLost(process: ProcessId): boolean {
    return this.#lost.has(process);
  }

  /** Whether the process is lost, and a later process of the same node is in the cluster: the restart has ended its connections. */
  isReplaced(process: ProcessId): boolean {
    const lost = this.#lost.get(process)?.node;
    return lost !== undefined && this.all().some(({ nodeId, startedAt }) => nodeId === lost.nodeId && startedAt > lost.startedAt);
  }

  /** The `nodeId` or, if that is not known any more, the process id. */
  nameOf(process: ProcessId): string {
    return (this.#live.get(process) ?? this.#lost.get(process)?.node)?.nodeId ?? process;
  }
}

const LOST_KEPT = 1000;
const EXPIRED_MS = 60_000;
