/** Hands over what was put in, in order, to whoever iterates. The producer never waits. */
export class Queue<T> {
  readonly #items: T[] = [];
  #ended: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#wake?.();
  }

  /** What was put in before is still handed over; then the iteration ends, or throws. */
  end(error?: unknown): void {
    this.#ended ??= error === undefined ? {} : { error };
    this.#wake?.();
  }

  async *drain(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      for (let item; (item = this.#items.shift()) !== undefined;) yield item;
      if (this.#ended && 'error' in this.#ended) throw this.#ended.error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
