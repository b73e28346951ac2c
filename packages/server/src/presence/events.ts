import type { LeaveReason } from '@hubline/protocol';
import type { ConnectionRecord, MissingNodes } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import { infoOf, type ConnectionInfo } from './presence-queries.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { completenessOf, type ClusterItems } from './completeness.ts';
import type { WatchSnapshot, WatchUpdate } from './watch.ts';

/** An event of a watch: first a snapshot of the connections, then every change. */
export type PresenceEvent<A> = PresenceSnapshot<A> | PresenceUpdate<A>;

/** What there is: first of all, and again where the reader fell too far behind. It then replaces all earlier events. */
export interface Snapshot<T> extends ClusterItems<T> {
  readonly type: 'snapshot';
  /** False for the first event. */
  readonly resynchronised: boolean;
}
export type PresenceSnapshot<A> = Snapshot<ConnectionInfo<A>>;
export type PresenceUpdate<A> =
  | { readonly type: 'join' | 'update'; readonly connection: ConnectionInfo<A> }
  | { readonly type: 'leave'; readonly connection: ConnectionInfo<A>; readonly reason: LeaveReason };

/** The same by user: a user is online from its first connection to the end of its last one. */
export type UserPresenceEvent = UserPresenceSnapshot | UserPresenceUpdate;

/** The items are user ids. */
export type UserPresenceSnapshot = Snapshot<string>;
export interface UserPresenceUpdate {
  readonly type: 'online' | 'offline';
  readonly userId: string;
}

export const presenceSnapshot = <A>(snapshot: WatchSnapshot, nodes: ClusterNodes, isFirst: boolean): PresenceSnapshot<A> =>
  snapshotOf(
    snapshot.records.map((record) => infoOf<A>(record, nodes)),
    snapshot,
    isFirst,
  );

export function presenceUpdate<A>(update: WatchUpdate, nodes: ClusterNodes): PresenceUpdate<A> {
  const connection = infoOf<A>(update.record, nodes);
  return update.type === 'leave' ? { type: 'leave', connection, reason: update.reason } : { type: update.type, connection };
}

/** Merges two updates of one connection. Undefined where a join and a leave cancel each other out. */
export function mergeUpdates<A>(earlier: PresenceUpdate<A>, later: PresenceUpdate<A>): PresenceUpdate<A> | undefined {
  const { connection } = later;
  if (earlier.type === 'join') return later.type === 'leave' ? undefined : { type: 'join', connection };
  // The connection left and is back: the reader has not seen it leave.
  return later.type === 'join' ? { type: 'update', connection } : later;
}

const snapshotOf = <T>(items: readonly T[], missing: MissingNodes, isFirst: boolean): Snapshot<T> => ({
  type: 'snapshot',
  resynchronised: !isFirst,
  items,
  ...completenessOf(missing),
});

export interface UserPresenceOptions {
  readonly clock: Clock;
  readonly graceMs: number;
  readonly emit: (update: UserPresenceUpdate) => void;
}

/** Turns updates of connections into updates of users. A user that is back within the grace period does not go offline. */
export class UserPresence {
  readonly #options: UserPresenceOptions;
  readonly #connections = new Map<string, Set<string>>();
  readonly #leaving = new Map<string, () => void>();

  constructor(options: UserPresenceOptions) {
    this.#options = options;
  }

  /** Takes the first snapshot of the watch; its updates follow. */
  begin({ records }: WatchSnapshot): void {
    for (const record of records) this.#join(record);
  }

  take(update: WatchUpdate): void {
    if (update.type === 'leave') return this.#leave(update.record);
    const userId = update.type === 'join' ? this.#join(update.record) : undefined;
    if (userId !== undefined) this.#options.emit({ type: 'online', userId });
  }

  snapshot(snapshot: WatchSnapshot, isFirst: boolean): UserPresenceSnapshot {
    return snapshotOf([...this.#connections.keys()], snapshot, isFirst);
  }

  close(): void {
    for (const stay of this.#leaving.values()) stay();
    this.#leaving.clear();
  }

  /** Adds a connection, and returns the user where it was not online before. */
  #join({ userId, connectionId }: ConnectionRecord): string | undefined {
    if (userId === undefined) return undefined;
    const connections = this.#connections.get(userId);
    if (connections) {
      connections.add(connectionId);
      this.#leaving.get(userId)?.();
      this.#leaving.delete(userId);
      return undefined;
    }
    this.#connections.set(userId, new Set([connectionId]));
    return userId;
  }

  #leave({ userId, connectionId }: ConnectionRecord): void {
    const connections = userId === undefined ? undefined : this.#connections.get(userId);
    if (userId === undefined || !connections?.delete(connectionId) || connections.size > 0) return;
    const { clock, graceMs, emit } = this.#options;
    const gone = clock.after(graceMs, () => {
      this.#connections.delete(userId);
      this.#leaving.delete(userId);
      emit({ type: 'offline', userId });
    });
    this.#leaving.set(userId, gone);
  }
}
