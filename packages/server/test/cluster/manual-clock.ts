import type { Clock } from '../../src/connection/index.ts';

/** A clock that only the test advances. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly then: () => void }>();

  now = (): number => this.#now;
  elapsed = (): number => this.#now;

  /** Does nothing: only keep-alive is repeated, and the clients of these tests need none. */
  every(): () => void {
    return () => undefined;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.#now + ms, then };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get running(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.then();
    }
    this.#now = end;
  }
}
