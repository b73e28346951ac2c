/**
 * Which slots can be used now. An outage is of the slots whose masters were lost: those stay lost until this node has registered
 * again, also when another master serves them before that, since what is there then is not what was there.
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
  /** Whether what this key or channel names can be used. */
  has(key: string): boolean {
    return this.#lost !== undefined && (this.#lost.size === 0 || !this.#lost.has(this.#slotOf(key)));
  }
  /** Whether others may not hear this channel again yet. */
  isShaken(channel: string): boolean {
    return this.#shaken === undefined || this.#shaken.has(this.#slotOf(channel));
  }

  /** These slots or, where none are named, all of them. Returns whether that is news. */
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

  /** This node has entered: everything can be used. */
  restore(): void {
    this.#lost = new Set();
  }
  /** Everybody is back. */
  settle(): void {
    this.#shaken = new Set(this.#lost);
  }
}
