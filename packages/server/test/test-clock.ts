/** A clock that only the test advances. */
export class TestClock {
  #now = 1_000_000;
  readonly #timers = new Set<{ at: number; readonly everyMs: number | undefined; readonly then: () => void }>();

  get size(): number {
    return this.#timers.size;
  }

  readonly now = (): number => this.#now;
  readonly elapsed = (): number => this.#now;
  readonly after = (ms: number, then: () => void): (() => void) => this.#add(ms, undefined, then);
  readonly every = (ms: number, then: () => void): (() => void) => this.#add(ms, ms, then);

  /** Runs the timers that are due, in order, with a turn of the event loop after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [due] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!due) break;
      this.#now = due.at;
      if (due.everyMs === undefined) this.#timers.delete(due);
      else due.at += due.everyMs;
      due.then();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = end;
  }

  #add(ms: number, everyMs: number | undefined, then: () => void): () => void {
    const timer = { at: this.#now + ms, everyMs, then };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
}
