/** Forgets the oldest when it is full. */
export class RecentSet {
  readonly #capacity: number;
  readonly #items = new Set<string>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  has(item: string): boolean {
    return this.#items.has(item);
  }

  /** False where it was there already. */
  add(item: string): boolean {
    if (this.#items.has(item)) return false;
    this.#items.add(item);
    const [oldest] = this.#items.size > this.#capacity ? this.#items : [];
    if (oldest !== undefined) this.#items.delete(oldest);
    return true;
  }
}
