import { checkKnown, checkName } from '@hubline/protocol';
import { checkConnectionId } from '../connection/index.ts';
import { PresenceQueries, type ClusterValue } from '../presence/index.ts';
import { checkMs, checkSignal } from './option-checks.ts';
import type { HubCluster } from './hub-cluster.ts';
import type { Filters } from './filter.ts';
import type { Operations } from './operation.ts';
import type { Presence, Whom } from './types.ts';

type Online = ClusterValue<ReadonlySet<string>>;

const ALL = { all: true } as const;

interface PresenceParts<A> {
  /** Turns the filters and targets of queries into selectors. */
  readonly filters: Filters<A>;
  readonly operations: Operations;
}

/** Creates `hub.presence`. Its methods check their options before they query the cluster. */
export function presenceOf<A>(hub: string, cluster: HubCluster, { filters, operations }: PresenceParts<A>): Presence<A> {
  const queries = new PresenceQueries<A>(hub, cluster.link.directory, cluster.nodes);
  function isOnline(userId: string): Promise<boolean>;
  function isOnline(userIds: readonly string[]): Promise<Online>;
  function isOnline(users: string | readonly string[]): Promise<boolean | Online> {
    return operations<boolean | Online>('presence.isOnline', async () =>
      Array.isArray(users) ?
        queries.online(users.map((userId) => checkName(userId, 'userIds')))
      : queries.isOnline(checkName(users, 'userId')),
    );
  }
  const watching = (whom: Whom<A>, options: { readonly signal?: AbortSignal | undefined }) => {
    checkKnown(options, ['signal', 'graceMs'], { within: 'options' });
    checkSignal(options.signal);
    return { hub, selector: filters.selector(whom), signal: options.signal };
  };
  return {
    connections: (whom = ALL, options = {}) => {
      checkKnown(options, ['select', 'limit', 'cursor'], { within: 'options' });
      return queries.connections(filters.selector(whom), options);
    },
    users: (options = {}) => {
      checkKnown(options, ['select', 'limit', 'cursor'], { within: 'options' });
      return queries.users(options);
    },
    isOnline,
    count: (whom = ALL) => operations('presence.count', async () => queries.count(filters.selector(whom))),
    groupsOf: (connectionId) =>
      operations('presence.groupsOf', async () => queries.groupsOf(checkConnectionId(connectionId, 'connectionId'))),
    watch: (whom = ALL, options = {}) => cluster.watches.connections<A>(watching(whom, options)),
    watchUsers: (whom = ALL, options = {}) => {
      const request = watching(whom, options);
      checkMs(options.graceMs, 'graceMs');
      return cluster.watches.users(request, options.graceMs ?? 5000);
    },
  };
}
