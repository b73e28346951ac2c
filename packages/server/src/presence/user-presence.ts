import type { ConnectionRecord } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import { snapshotOf, type UserPresenceSnapshot, type UserPresenceUpdate } from './presence-events.ts';
import { UpdateQueue } from './update-queue.ts';
import type { Watch, WatchListener, WatchUpdate } from './watch.ts';

/** Turns the updates of a watch into events of users. A user that reconnects within the grace period does not go offline. */
export class UserPresence implements WatchListener {
  readonly events: UpdateQueue<UserPresenceUpdate, UserPresenceSnapshot>;
  readonly #watch: Pick<Watch, 'snapshot'>;
  readonly #clock: Clock;
  readonly #graceMs: number;
  /** The connections of each user that is online. */
  readonly #users = new Map<string, Set<string>>();
  /** The users in their grace period, each with the function that cancels its timer. */
  readonly #leaving = new Map<string, () => void>();

  constructor(watch: Pick<Watch, 'snapshot'>, clock: Clock, graceMs: number) {
    this.#watch = watch;
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.events = new UpdateQueue<UserPresenceUpdate, UserPresenceSnapshot>({
      merge: () => undefined, // online and offline cancel each other out
      snapshot: (isFirst) => snapshotOf([...this.#users.keys()], watch.snapshot, isFirst),
    });
  }

  begin(): void {
    for (const record of this.#watch.snapshot.records) this.#join(record);
    this.events.resynchronise();
  }

  update(update: WatchUpdate): void {
    if (update.type === 'leave') return this.#leave(update.record);
    const userId = update.type === 'join' ? this.#join(update.record) : undefined;
    if (userId !== undefined) this.events.push(userId, { type: 'online', userId });
  }

  close(): void {
    for (const cancel of this.#leaving.values()) cancel();
    this.#leaving.clear();
  }

  /** Adds a connection, and returns the user if it was offline. */
  #join({ userId, connectionId }: ConnectionRecord): string | undefined {
    if (userId === undefined) return undefined;
    const connections = this.#users.get(userId);
    if (!connections) {
      this.#users.set(userId, new Set([connectionId]));
      return userId;
    }
    connections.add(connectionId);
    this.#leaving.get(userId)?.();
    this.#leaving.delete(userId);
    return undefined;
  }

  #leave({ userId, connectionId }: ConnectionRecord): void {
    const connections = userId === undefined ? undefined : this.#users.get(userId);
    if (userId === undefined || !connections?.delete(connectionId) || connections.size > 0) return;
    const cancel = this.#clock.after(this.#graceMs, () => {
      this.#users.delete(userId);
      this.#leaving.delete(userId);
      this.events.push(userId, { type: 'offline', userId });
    });
    this.#leaving.set(userId, cancel);
  }
}
