/** A source of time and timers, which a test can replace. */
export interface Clock {
  /** Milliseconds since the epoch: for dates. A step of the system's clock moves it. */
  now(): number;
  /** Milliseconds on a clock that only goes forward: for durations. */
  elapsed(): number;
  /** Timers that do not keep the process alive. Both return a function that cancels the timer. */
  after(ms: number, then: () => void): () => void;
  every(ms: number, then: () => void): () => void;
}

/** The longest that a timer of Node takes, 25 days: a longer one would fire at once. What takes longer is never over. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  after(ms, then) {
    const timer = ms <= MAX_TIMER_MS ? setTimeout(then, ms).unref() : undefined;
    return () => clearTimeout(timer);
  },
  every(ms, then) {
    const timer = setInterval(then, ms).unref();
    return () => clearInterval(timer);
  },
};
