import { AsyncSource } from './async-queue.ts';

export interface UpdateQueueOptions<U, S> {
  /** The most keys with a waiting update. Beyond it the next item is a snapshot instead of the updates. Default 1000. */
  readonly maxPending?: number;
  /** Merges two updates of one key; undefined if the second one cancels the first. */
  readonly merge: (earlier: U, later: U) => U | undefined;
  /** Makes a snapshot of the current state. `isFirst` is true for the reader's first snapshot. */
  readonly snapshot: (isFirst: boolean) => S;
}

/**
 * Queues updates for a reader, one for each key, in the order of the key's first one. If a reader falls behind by more than `maxPending`
 * keys, the updates are dropped, and a snapshot replaces them.
 */
export class UpdateQueue<U extends object, S extends object> extends AsyncSource<U | S> {
  readonly #options: UpdateQueueOptions<U, S>;
  readonly #pending = new Map<string, U>();
  /** Whether the next item is a snapshot. */
  #needsSnapshot = false;
  #isFirst = true;

  constructor(options: UpdateQueueOptions<U, S>) {
    super();
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  push(key: string, update: U): void {
    if (this.hasEnded || this.#needsSnapshot) return; // the snapshot will contain the update
    const { merge, maxPending = 1000 } = this.#options;
    const earlier = this.#pending.get(key);
    const merged = earlier === undefined ? update : merge(earlier, update);
    if (merged === undefined) this.#pending.delete(key);
    else this.#pending.set(key, merged);
    if (this.#pending.size > maxPending) this.resynchronise();
    else this.wake();
  }

  /** Replaces all waiting updates with a snapshot. */
  resynchronise(): void {
    this.#pending.clear();
    this.#needsSnapshot = true;
    this.wake();
  }

  protected next(): U | S | undefined {
    if (this.#needsSnapshot) {
      const snapshot = this.#options.snapshot(this.#isFirst);
      this.#needsSnapshot = this.#isFirst = false;
      return snapshot;
    }
    const [first] = this.#pending;
    if (first) this.#pending.delete(first[0]);
    return first?.[1];
  }
}
