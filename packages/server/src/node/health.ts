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
   * `degraded` while a backplane is away: this node serves its own clients and cannot reach other nodes. `draining` from `drain` on, `closed` from
   * `close` on: both take no connections.
   */
  readonly status: 'ok' | 'degraded' | 'draining' | 'closed';
  readonly nodeId: string;
  readonly connections: number;
  /** The server's own; hubs may have others. */
  readonly backplane: LinkState;
  /** While the backplane is away: it cannot be reached, or it refuses what this node writes (no memory left, no permission). */
  readonly outage?: Outage;
  /** Every backplane, also those of hubs. */
  readonly backplanes: readonly BackplaneHealth[];
  readonly uptimeMs: number;
}
