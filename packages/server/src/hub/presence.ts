import {
  Queries,
  type ConnectionInfo,
  type Count,
  type PageOptions,
  type Pages,
  type PresenceEvent,
  type UserInfo,
  type UserPresenceEvent,
} from '../presence/index.ts';
import type { Cluster } from './cluster.ts';
import type { Filters } from './filter.ts';
import type { Filter } from './types.ts';

/** Who is online, over all nodes. */
export interface Presence<A> {
  /** Connections, a page at a time; `select` names the fields wanted besides `connectionId`. */
  connections<const F extends keyof ConnectionInfo<A> = keyof ConnectionInfo<A>>(
    filter?: Filter<A>,
    options?: PageOptions<F>,
  ): Pages<Pick<ConnectionInfo<A>, F | 'connectionId'>>;
  users(options?: PageOptions): Pages<UserInfo>;
  /** @throws HublineError `backplane_unavailable` where nobody was found and not every node could be asked. */
  isOnline(userId: string): Promise<boolean>;
  count(filter?: Filter<A>): Promise<Count>;
  /** @throws HublineError `connection_gone` */
  groupsOf(connectionId: string): Promise<readonly string[]>;
  /** First a snapshot, then every change, until the loop is left or the signal aborts. */
  watch(filter?: Filter<A>, options?: { readonly signal?: AbortSignal }): AsyncIterable<PresenceEvent<A>>;
  /** By user: first in, last out. Who comes back within `graceMs` (default 5000) was never away. */
  watchUsers(filter?: Filter<A>, options?: { readonly graceMs?: number; readonly signal?: AbortSignal }): AsyncIterable<UserPresenceEvent>;
}

const ALL = { all: true } as const;

export function presenceOf<A>(hub: string, cluster: Cluster, filters: Filters<A>): Presence<A> {
  const queries = new Queries<A>(hub, cluster.link.directory, cluster.nodes);
  return {
    connections: (filter = ALL, options = {}) => queries.connections(filters.selector(filter), options),
    users: (options) => queries.users(options),
    isOnline: (userId) => queries.isOnline(userId),
    count: (filter = ALL) => queries.count(filters.selector(filter)),
    groupsOf: (connectionId) => queries.groupsOf(connectionId),
    watch: (filter = ALL, { signal } = {}) => cluster.watches.connections<A>({ hub, selector: filters.selector(filter), signal }),
    watchUsers: (filter = ALL, { graceMs = 5000, signal } = {}) =>
      cluster.watches.users({ hub, selector: filters.selector(filter), signal }, graceMs),
  };
}
