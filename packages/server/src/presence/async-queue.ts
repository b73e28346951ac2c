/** Items that one consumer iterates. The producer never waits. */
export abstract class AsyncSource<T> {
  #ended: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** Ends the iteration after the waiting items. With an error, the iteration then throws it. */
  end(error?: unknown): void {
    this.#ended ??= error === undefined ? {} : { error };
    this.wake();
  }

  async *drain(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      for (let item; (item = this.next()) !== undefined;) yield item;
      if (this.#ended && 'error' in this.#ended) throw this.#ended.error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Takes the next item; undefined if none is waiting. */
  protected abstract next(): T | undefined;

  protected get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Continues an iteration that waits for an item. */
  protected wake(): void {
    this.#wake?.();
  }
}

/** An unbounded queue. */
export class AsyncQueue<T> extends AsyncSource<T> {
  readonly #items: T[] = [];

  push(item: T): void {
    if (this.hasEnded) return;
    this.#items.push(item);
    this.wake();
  }

  protected next(): T | undefined {
    return this.#items.shift();
  }
}
