import type { NodeInfo } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import type { Selector } from '../membership/index.ts';
import { presenceEvent, UserEvents, type PresenceEvent, type UserPresenceEvent } from './events.ts';
import { Queue } from './queue.ts';
import { Watch, type WatchEvent, type WatchOptions } from './watch.ts';

export interface WatchesOptions extends Omit<WatchOptions, 'hub' | 'selector' | 'emit'> {
  readonly clock: Clock;
}

export interface WatchRequest {
  readonly hub: string;
  readonly selector: Selector;
  /** Ends the watch; the iteration then ends without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** The watches that are open on this node, and what they must hear of the cluster. */
export class Watches {
  readonly #options: WatchesOptions;
  /** Each with what ends its iteration. */
  readonly #open = new Map<Watch, () => void>();
  #closed = false;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  connections<A>(request: WatchRequest): AsyncGenerator<PresenceEvent<A>, void, undefined> {
    const queue = new Queue<PresenceEvent<A>>();
    return this.#run(request, queue, (event) => queue.push(presenceEvent(event, this.#options.nodes)));
  }

  async *users(request: WatchRequest, graceMs: number): AsyncGenerator<UserPresenceEvent, void, undefined> {
    const queue = new Queue<UserPresenceEvent>();
    const users = new UserEvents({ clock: this.#options.clock, graceMs, emit: (event) => queue.push(event) });
    try {
      yield* this.#run(request, queue, (event) => users.take(event));
    } finally {
      users.close();
    }
  }

  lost(node: NodeInfo): void {
    for (const watch of this.#open.keys()) watch.lost(node);
  }

  /** A node came (back), the backplane did, or something was missed. */
  resynchronise(): void {
    for (const watch of this.#open.keys()) watch.resynchronise();
  }

  /** Ends all of them, without an error. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#open.values()) stop();
    await Promise.all([...this.#open.keys()].map((watch) => watch.close()));
  }

  async *#run<T>(
    { hub, selector, signal }: WatchRequest,
    queue: Queue<T>,
    emit: (event: WatchEvent) => void,
  ): AsyncGenerator<T, void, undefined> {
    if (this.#closed || signal?.aborted) return;
    const watch = new Watch({ ...this.#options, hub, selector, emit });
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
