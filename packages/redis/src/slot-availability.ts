/**
 * Tracks which slots can be used. An outage concerns the slots whose masters were lost. These stay lost until this node has
 * registered again, also when another master serves them before that, since that one may lack data.
 */
export class SlotAvailability {
  readonly #slotOf: (key: string) => number;
  /** Undefined while nothing can be used. */
  #lost: Set<number> | undefined;
  /** Slots whose master is unreachable, or was until a node that is not registered again yet. Undefined: all of them. */
  #shaken: Set<number> | undefined;

  constructor(slotOf: (key: string) => number) {
    this.#slotOf = slotOf;
  }

  get isWhole(): boolean {
    return this.#lost?.size === 0;
  }
  /** Whether the slot of a key or channel can be used. */
  has(key: string): boolean {
    return this.#lost !== undefined && (this.#lost.size === 0 || !this.#lost.has(this.#slotOf(key)));
  }
  /** Whether other nodes may not be subscribed to this channel again yet. */
  isShaken(channel: string): boolean {
    return this.#shaken === undefined || this.#shaken.has(this.#slotOf(channel));
  }

  /** Marks slots as lost; without `slots`, all of them. Returns whether any of them was not lost before. */
  lose(slots?: Iterable<number>): boolean {
    if (!slots || !this.#lost) {
      const isNews = this.#lost !== undefined;
      this.#lost = undefined;
      this.#shaken = undefined;
      return isNews;
    }
    const before = this.#lost.size;
    for (const slot of slots) {
      this.#lost.add(slot);
      this.#shaken?.add(slot);
    }
    return this.#lost.size > before;
  }

  /** Marks all slots as usable, after this node has registered again. */
  restore(): void {
    this.#lost = new Set();
  }
  /** Stops the wait for other nodes' subscriptions, except on slots that are still lost. */
  settle(): void {
    this.#shaken = new Set(this.#lost);
  }
}
