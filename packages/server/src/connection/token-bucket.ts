import type { Clock } from './clock.ts';

/** Limits a client's rate. One second's tokens may be taken at once; after that the bucket is in debt, and the client waits. */
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

  /** Milliseconds until the bucket is out of debt. */
  get debtMs(): number {
    if (this.#tokens >= 0) return 0; // reads the clock only for clients that have used up their tokens
    const now = this.#clock.elapsed();
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#filledAt) * this.#perSecond) / 1000);
    this.#filledAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#perSecond);
  }
}
