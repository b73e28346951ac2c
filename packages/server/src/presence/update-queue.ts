export interface UpdateQueueOptions<U, S> {
  /** How many keys may wait for the reader. Past that the next event is {@link snapshot} instead of the updates. */
  readonly maxPending: number;
  /** Merges two updates of one key; undefined where the second one cancels the first. */
  readonly merge: (earlier: U, later: U) => U | undefined;
  /** Makes a snapshot of the current state; `isFirst` where the reader has got none yet. */
  readonly snapshot: (isFirst: boolean) => S;
}

/**
 * Updates that a reader has not taken yet, in order of the first one of each key. A reader that does not keep up costs one
 * update for each key and, past `maxPending` keys, nothing. The producer never waits.
 */
export class UpdateQueue<U extends object, S extends object> {
  readonly #options: UpdateQueueOptions<U, S>;
  readonly #pending = new Map<string, U>();
  /** Whether the reader gets a snapshot next: at the beginning, and after it fell too far behind. */
  #needsSnapshot = false;
  #isFirst = true;
  #ended: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: UpdateQueueOptions<U, S>) {
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  push(key: string, update: U): void {
    if (this.#ended || this.#needsSnapshot) return; // the snapshot will show it
    const earlier = this.#pending.get(key);
    const merged = earlier === undefined ? update : this.#options.merge(earlier, update);
    if (merged === undefined) this.#pending.delete(key);
    else this.#pending.set(key, merged);
    if (this.#pending.size > this.#options.maxPending) this.resynchronise();
    else this.#wake?.();
  }

  /** Replaces all waiting updates with a snapshot. */
  resynchronise(): void {
    this.#pending.clear();
    this.#needsSnapshot = true;
    this.#wake?.();
  }

  /** Ends the iteration, or lets it throw, after the waiting updates. */
  end(error?: unknown): void {
    this.#ended ??= error === undefined ? {} : { error };
    this.#wake?.();
  }

  async *drain(): AsyncGenerator<U | S, void, undefined> {
    for (;;) {
      for (let next = this.#next(); next !== undefined; next = this.#next()) yield next;
      if (this.#ended && 'error' in this.#ended) throw this.#ended.error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #next(): U | S | undefined {
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
