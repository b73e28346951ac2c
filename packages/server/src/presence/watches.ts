import type { NodeInfo } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import type { Selector } from '../membership/index.ts';
import {
  mergeUpdates,
  presenceSnapshot,
  presenceUpdate,
  UserPresence,
  type PresenceEvent,
  type PresenceSnapshot,
  type PresenceUpdate,
  type UserPresenceEvent,
  type UserPresenceSnapshot,
  type UserPresenceUpdate,
} from './events.ts';
import { UpdateQueue } from './update-queue.ts';
import { Watch, type WatchOptions } from './watch.ts';

export interface WatchesOptions extends Omit<WatchOptions, 'hub' | 'selector' | 'begin' | 'update'> {
  readonly clock: Clock;
}

export interface WatchRequest {
  readonly hub: string;
  readonly selector: Selector;
  /** Ends the watch; the iteration then ends without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** How many connections, or users, may have updates that a reader has not taken. */
const MAX_PENDING = 1000;

/** The open watches of this node; passes the cluster's events on to them. */
export class Watches {
  readonly #options: WatchesOptions;
  /** Each open watch with the function that ends its iteration. */
  readonly #open = new Map<Watch, () => void>();
  #closed = false;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  connections<A>(request: WatchRequest): AsyncGenerator<PresenceEvent<A>, void, undefined> {
    const { nodes } = this.#options;
    const queue = new UpdateQueue<PresenceUpdate<A>, PresenceSnapshot<A>>({
      maxPending: MAX_PENDING,
      merge: mergeUpdates,
      snapshot: (isFirst) => presenceSnapshot<A>(watch.snapshot, nodes, isFirst),
    });
    const watch = new Watch({
      ...this.#options,
      ...request,
      begin: () => queue.resynchronise(),
      update: (update) => queue.push(update.record.connectionId, presenceUpdate(update, nodes)),
    });
    return this.#run(watch, queue, request.signal);
  }

  async *users(request: WatchRequest, graceMs: number): AsyncGenerator<UserPresenceEvent, void, undefined> {
    const queue = new UpdateQueue<UserPresenceUpdate, UserPresenceSnapshot>({
      maxPending: MAX_PENDING,
      merge: () => undefined, // online and offline cancel each other out
      snapshot: (isFirst) => users.snapshot(watch.snapshot, isFirst),
    });
    const users = new UserPresence({ clock: this.#options.clock, graceMs, emit: (update) => queue.push(update.userId, update) });
    const begin = (): void => {
      users.begin(watch.snapshot);
      queue.resynchronise();
    };
    const watch = new Watch({ ...this.#options, ...request, begin, update: (update) => users.take(update) });
    try {
      yield* this.#run(watch, queue, request.signal);
    } finally {
      users.close();
    }
  }

  lost(node: NodeInfo): void {
    for (const watch of this.#open.keys()) watch.lost(node);
  }

  /** Takes new snapshots: a node or the backplane is back, or changes were missed. */
  resynchronise(): void {
    for (const watch of this.#open.keys()) watch.resynchronise();
  }

  /** Ends all watches without an error. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#open.values()) stop();
    await Promise.all([...this.#open.keys()].map((watch) => watch.close()));
  }

  async *#run<U extends object, S extends object>(
    watch: Watch,
    queue: UpdateQueue<U, S>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<U | S, void, undefined> {
    if (this.#closed || signal?.aborted) return;
    const stop = (): void => queue.end();
    signal?.addEventListener('abort', stop);
    this.#open.set(watch, stop);
    try {
      watch.start().catch((error: unknown) => queue.end(error));
      yield* queue.drain();
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#open.delete(watch);
      await watch.close();
    }
  }
}
