import type { NodeInfo, ProcessId } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';

interface Lost {
  readonly node: NodeInfo;
  /** When its lease ended; undefined where it said goodbye. */
  readonly lapsedAt: number | undefined;
}

/** The processes that are in the cluster, as far as this node has heard: kept by the link's events. */
export class Nodes {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #live = new Map<ProcessId, NodeInfo>();
  /** Those that were lost and are not back: what is told of their end, and of their clients', names them. */
  readonly #lost = new Map<ProcessId, Lost>();

  constructor(self: NodeInfo, clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
    this.#live.set(self.process, self);
  }

  /** False where it was there all the time, and only its link was down. */
  joined(node: NodeInfo): boolean {
    const isNew = !this.#live.has(node.process);
    this.#live.set(node.process, node);
    this.#lost.delete(node.process);
    return isNew;
  }

  /** False where it was lost already. */
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

  /** Those whose lease ended within the last minute: frozen or cut off rather than dead, they have their connections still. */
  lapsed(): readonly NodeInfo[] {
    const since = this.#clock.elapsed() - LAPSED_MS;
    return [...this.#lost.values()].flatMap(({ node, lapsedAt = -Infinity }) => (lapsedAt > since ? node : []));
  }

  /** Whether it was in the cluster, is not any more, and is remembered. */
  isLost(process: ProcessId): boolean {
    return this.#lost.has(process);
  }

  /** Whether it is lost, and its node is up again as a process that started later: a restart has ended its connections. */
  isReplaced(process: ProcessId): boolean {
    const lost = this.#lost.get(process)?.node;
    return lost !== undefined && this.all().some(({ nodeId, startedAt }) => nodeId === lost.nodeId && startedAt > lost.startedAt);
  }

  /** A name for people: the process where the node was never heard of, or is long lost. */
  nameOf(process: ProcessId): string {
    return (this.#live.get(process) ?? this.#lost.get(process)?.node)?.nodeId ?? process;
  }
}

const LOST_KEPT = 1000;
const LAPSED_MS = 60_000;
