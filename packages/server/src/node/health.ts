import type { LinkState, Outage } from '../backplane/index.ts';

/** The state of one backplane, and the names of the hubs that it joins. */
export interface BackplaneHealth {
  readonly hubs: readonly string[];
  readonly state: LinkState;
  readonly outage?: Outage;
}

/** The present state of a server. */
export interface Health {
  /**
   * `degraded` while a backplane is down: this node serves its own clients and cannot reach other nodes. `draining` after `drain`, `closed`
   * after `close`: the node accepts no connections.
   */
  readonly status: 'ok' | 'degraded' | 'draining' | 'closed';
  readonly nodeId: string;
  readonly connections: number;
  /** The state of the server's own backplane; hubs may have others. */
  readonly backplane: LinkState;
  /** The cause while the backplane is down: it is unreachable, or refuses the writes of this node (no memory, no permission). */
  readonly outage?: Outage;
  /** Every backplane, including those of hubs. */
  readonly backplanes: readonly BackplaneHealth[];
  readonly uptimeMs: number;
}
