import type { Clock } from '../src/clock.ts';

/** A clock that only the test advances. */
export class FakeClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly act: () => void }>();

  now = (): number => this.#now;

  after = (ms: number, act: () => void): (() => void) => {
    const timer = { at: this.#now + ms, act };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /** The number of pending timers. */
  get size(): number {
    return this.#timers.size;
  }

  /** The time until the next timer. */
  get nextMs(): number {
    return Math.min(...[...this.#timers].map(({ at }) => at)) - this.#now;
  }

  /** Runs the timers that are due, in order, each at its time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.act();
    }
    this.#now = until;
  }

  /** Advances the clock as a machine that slept: the timers run late, after all the time has passed. */
  oversleep(ms: number): void {
    this.#now += ms;
    this.advance(0);
  }
}
