import { checkName } from '@hubline/protocol';
import { checkConnectionId } from '../connection/index.ts';
import { Queries, type OnlineUsers } from '../presence/index.ts';
import type { Cluster } from './cluster.ts';
import type { Filters } from './filter.ts';
import type { Operations } from './operation.ts';
import type { Presence } from './types.ts';

const ALL = { all: true } as const;

interface PresenceParts<A> {
  readonly filters: Filters<A>;
  readonly operations: Operations;
}

export function presenceOf<A>(hub: string, cluster: Cluster, { filters, operations }: PresenceParts<A>): Presence<A> {
  const queries = new Queries<A>(hub, cluster.link.directory, cluster.nodes);
  function isOnline(userId: string): Promise<boolean>;
  function isOnline(userIds: readonly string[]): Promise<OnlineUsers>;
  function isOnline(users: string | readonly string[]): Promise<boolean | OnlineUsers> {
    return operations<boolean | OnlineUsers>('presence.isOnline', async () =>
      Array.isArray(users) ?
        queries.online(users.map((userId) => checkName(userId, 'userIds')))
      : queries.isOnline(checkName(users, 'userId')),
    );
  }
  return {
    connections: (filter = ALL, options = {}) => queries.connections(filters.selector(filter), options),
    users: (options) => queries.users(options),
    isOnline,
    count: (filter = ALL) => operations('presence.count', async () => queries.count(filters.selector(filter))),
    groupsOf: (connectionId) =>
      operations('presence.groupsOf', async () => queries.groupsOf(checkConnectionId(connectionId, 'connectionId'))),
    watch: (filter = ALL, { signal } = {}) => cluster.watches.connections<A>({ hub, selector: filters.selector(filter), signal }),
    watchUsers: (filter = ALL, { graceMs = 5000, signal } = {}) =>
      cluster.watches.users({ hub, selector: filters.selector(filter), signal }, graceMs),
  };
}
