/** Removed items stay in the array until there are at least this many, and they are half of it. */
const COMPACT_AT = 256;

/** A first-in, first-out queue whose operations take constant time. */
export class Queue<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined as T; // lets the item be garbage-collected
    if (this.length === 0) [this.#items, this.#head] = [[], 0];
    else if (this.#head >= COMPACT_AT && 2 * this.#head >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
