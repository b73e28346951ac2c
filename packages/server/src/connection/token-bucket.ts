import type { Clock } from './clock.ts';

/** Limits a peer's rate. A second's worth may be used at once; beyond that the bucket is in debt, and the peer waits. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#tokens = perSecond;
    this.#filledAt = clock.elapsed();
  }

  take(tokens: number): void {
    this.#tokens -= tokens;
  }

  /** Milliseconds until nothing is owed. 0: there are tokens. */
  get debtMs(): number {
    if (this.#tokens >= 0) return 0; // the clock is only read by peers that have used up what they had
    const now = this.#clock.elapsed();
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#filledAt) * this.#perSecond) / 1000);
    this.#filledAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#perSecond);
  }
}
