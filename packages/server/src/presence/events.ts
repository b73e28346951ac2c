import type { ConnectionRecord } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import { infoOf, type ConnectionInfo } from './queries.ts';
import type { Nodes } from './nodes.ts';
import { isComplete } from './shortfalls.ts';
import { type LeaveReason, type WatchEvent } from './watch.ts';

/** What a watch tells: first everybody who is there, then every change. */
export type PresenceEvent<A> =
  | {
      readonly type: 'snapshot';
      readonly connections: readonly ConnectionInfo<A>[];
      readonly complete: boolean;
      readonly missingNodes: readonly string[];
    }
  | { readonly type: 'join' | 'update'; readonly connection: ConnectionInfo<A> }
  | { readonly type: 'leave'; readonly connection: ConnectionInfo<A>; readonly reason: LeaveReason };

/** The same by user: the first connection comes, the last one has gone. */
export type UserPresenceEvent =
  | { readonly type: 'snapshot'; readonly users: readonly string[]; readonly complete: boolean; readonly missingNodes: readonly string[] }
  | { readonly type: 'online' | 'offline'; readonly userId: string };

export function presenceEvent<A>(event: WatchEvent, nodes: Nodes): PresenceEvent<A> {
  if (event.type === 'snapshot') {
    const connections = event.records.map((record) => infoOf<A>(record, nodes));
    return { type: 'snapshot', connections, complete: isComplete(event), missingNodes: event.missing };
  }
  const connection = infoOf<A>(event.record, nodes);
  return event.type === 'leave' ? { type: 'leave', connection, reason: event.reason } : { type: event.type, connection };
}

/** Turns connections into users. Who comes back within the grace was never away. */
export class UserEvents {
  readonly #connections = new Map<string, Set<string>>();
  readonly #leaving = new Map<string, () => void>();
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #emit: (event: UserPresenceEvent) => void;

  constructor({
    clock,
    graceMs,
    emit,
  }: {
    readonly clock: Clock;
    readonly graceMs: number;
    readonly emit: (event: UserPresenceEvent) => void;
  }) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#emit = emit;
  }

  take(event: WatchEvent): void {
    if (event.type === 'snapshot') {
      for (const record of event.records) this.#come(record);
      this.#emit({
        type: 'snapshot',
        users: [...this.#connections.keys()],
        complete: isComplete(event),
        missingNodes: event.missing,
      });
    } else if (event.type === 'join') {
      const userId = this.#come(event.record);
      if (userId !== undefined) this.#emit({ type: 'online', userId });
    } else if (event.type === 'leave') {
      this.#leave(event.record);
    }
  }

  close(): void {
    for (const stay of this.#leaving.values()) stay();
    this.#leaving.clear();
  }

  /** The user, where it was not there before. */
  #come({ userId, connectionId }: ConnectionRecord): string | undefined {
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
    const gone = this.#clock.after(this.#graceMs, () => {
      this.#connections.delete(userId);
      this.#leaving.delete(userId);
      this.#emit({ type: 'offline', userId });
    });
    this.#leaving.set(userId, gone);
  }
}
