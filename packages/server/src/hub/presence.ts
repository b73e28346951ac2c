import { checkName } from '@hubline/protocol';
import { checkConnectionId } from '../connection/index.ts';
import { Queries } from '../presence/index.ts';
import type { Cluster } from './cluster.ts';
import type { Filters } from './filter.ts';
import type { Presence } from './types.ts';

const ALL = { all: true } as const;

export function presenceOf<A>(hub: string, cluster: Cluster, filters: Filters<A>): Presence<A> {
  const queries = new Queries<A>(hub, cluster.link.directory, cluster.nodes);
  return {
    connections: (filter = ALL, options = {}) => queries.connections(filters.selector(filter), options),
    users: (options) => queries.users(options),
    isOnline: async (userId) => queries.isOnline(checkName(userId, 'userId')),
    count: async (filter = ALL) => queries.count(filters.selector(filter)),
    groupsOf: async (connectionId) => queries.groupsOf(checkConnectionId(connectionId, 'connectionId')),
    watch: (filter = ALL, { signal } = {}) => cluster.watches.connections<A>({ hub, selector: filters.selector(filter), signal }),
    watchUsers: (filter = ALL, { graceMs = 5000, signal } = {}) =>
      cluster.watches.users({ hub, selector: filters.selector(filter), signal }, graceMs),
  };
}
