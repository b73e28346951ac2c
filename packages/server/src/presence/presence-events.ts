import type { LeaveReason } from '@hubline/protocol';
import type { MissingNodes } from '../backplane/index.ts';
import { completenessOf, type ClusterItems } from './completeness.ts';
import type { ConnectionInfo } from './presence-queries.ts';

/** An event of a watch: first a snapshot of the connections, then every change. */
export type PresenceEvent<A> = PresenceSnapshot<A> | PresenceUpdate<A>;

/** The present state: the first event, and again if the reader fell too far behind. It then replaces all earlier events. */
export interface Snapshot<T> extends ClusterItems<T> {
  readonly type: 'snapshot';
  /** False for the first event. */
  readonly resynchronised: boolean;
}
export type PresenceSnapshot<A> = Snapshot<ConnectionInfo<A>>;
export type PresenceUpdate<A> =
  | { readonly type: 'join' | 'update'; readonly connection: ConnectionInfo<A> }
  | { readonly type: 'leave'; readonly connection: ConnectionInfo<A>; readonly reason: LeaveReason };

/** An event of a watch of users. A user is online from the start of its first connection to the end of its last one. */
export type UserPresenceEvent = UserPresenceSnapshot | UserPresenceUpdate;

/** The items are user ids. */
export type UserPresenceSnapshot = Snapshot<string>;
export interface UserPresenceUpdate {
  readonly type: 'online' | 'offline';
  readonly userId: string;
}

export const snapshotOf = <T>(items: readonly T[], missing: MissingNodes, isFirst: boolean): Snapshot<T> => ({
  type: 'snapshot',
  resynchronised: !isFirst,
  items,
  ...completenessOf(missing),
});

/** Merges two updates of one connection. Undefined if a join and a leave cancel each other out. */
export function mergeUpdates<A>(earlier: PresenceUpdate<A>, later: PresenceUpdate<A>): PresenceUpdate<A> | undefined {
  const { connection } = later;
  if (earlier.type === 'join') return later.type === 'leave' ? undefined : { type: 'join', connection };
  // A leave and a join: the reader has not seen the leave.
  return later.type === 'join' ? { type: 'update', connection } : later;
}
