import type { NodeInfo } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import type { Selector } from '../membership/index.ts';
import type { AsyncSource } from './async-queue.ts';
import { ConnectionPresence } from './connection-presence.ts';
import type { PresenceEvent, UserPresenceEvent } from './presence-events.ts';
import { UserPresence } from './user-presence.ts';
import { Watch, type WatchListener, type WatchOptions } from './watch.ts';

export interface WatchesOptions extends Omit<WatchOptions, 'hub' | 'selector'> {
  readonly clock: Clock;
}

export interface WatchRequest {
  readonly hub: string;
  readonly selector: Selector;
  /** Ends the watch; the iteration then ends without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** Turns the updates of a watch into the events of its iteration. */
interface Presence<E> extends WatchListener {
  readonly events: AsyncSource<E>;
  close?(): void;
}

/** The open watches of this node. */
export class Watches {
  readonly #options: WatchesOptions;
  /** Each open watch with the function that ends its iteration. */
  readonly #open = new Map<Watch, () => void>();
  #closed = false;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  connections<A>(request: WatchRequest): AsyncGenerator<PresenceEvent<A>, void, undefined> {
    const watch = new Watch({ ...this.#options, ...request });
    return this.#run(watch, new ConnectionPresence<A>(watch, this.#options.nodes), request.signal);
  }

  users(request: WatchRequest, graceMs: number): AsyncGenerator<UserPresenceEvent, void, undefined> {
    const watch = new Watch({ ...this.#options, ...request });
    return this.#run(watch, new UserPresence(watch, this.#options.clock, graceMs), request.signal);
  }

  /** Reports that the connections of a lost node have left. */
  lost(node: NodeInfo): void {
    for (const watch of this.#open.keys()) watch.lost(node);
  }

  /** Takes new snapshots: changes may have been missed. */
  resynchronise(): void {
    for (const watch of this.#open.keys()) watch.resynchronise();
  }

  /** Ends all watches without an error. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#open.values()) stop();
    await Promise.all([...this.#open.keys()].map((watch) => watch.close()));
  }

  async *#run<E>(watch: Watch, presence: Presence<E>, signal: AbortSignal | undefined): AsyncGenerator<E, void, undefined> {
    if (this.#closed || signal?.aborted) return;
    const { events } = presence;
    const stop = (): void => events.end();
    signal?.addEventListener('abort', stop);
    this.#open.set(watch, stop);
    try {
      watch.start(presence).catch((error: unknown) => events.end(error));
      yield* events.drain();
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#open.delete(watch);
      presence.close?.();
      await watch.close();
    }
  }
}
