import { checkName } from '@hubline/protocol';
import { checkConnectionId } from '../connection/index.ts';
import { Queries, type OnlineUsers } from '../presence/index.ts';
import { checkMs, checkObject, checkSignal } from './call-options.ts';
import type { Cluster } from './cluster.ts';
import type { Filters } from './filter.ts';
import type { Operations } from './operation.ts';
import type { Filter, Presence } from './types.ts';

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
  const watching = (filter: Filter<A>, options: { readonly signal?: AbortSignal }) => {
    checkObject(options, 'options');
    checkSignal(options.signal);
    return { hub, selector: filters.selector(filter), signal: options.signal };
  };
  return {
    connections: (filter = ALL, options = {}) => queries.connections(filters.selector(filter), options),
    users: (options) => queries.users(options),
    isOnline,
    count: (filter = ALL) => operations('presence.count', async () => queries.count(filters.selector(filter))),
    groupsOf: (connectionId) =>
      operations('presence.groupsOf', async () => queries.groupsOf(checkConnectionId(connectionId, 'connectionId'))),
    watch: (filter = ALL, options = {}) => cluster.watches.connections<A>(watching(filter, options)),
    watchUsers: (filter = ALL, options = {}) => {
      const request = watching(filter, options);
      checkMs(options.graceMs, 'graceMs');
      return cluster.watches.users(request, options.graceMs ?? 5000);
    },
  };
}
