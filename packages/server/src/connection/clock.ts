/** A source of time and timers, which a test can replace. */
export interface Clock {
  /** Milliseconds since the epoch, for dates. Changes with the system's clock. */
  now(): number;
  /** Milliseconds on a monotonic clock, for durations. */
  elapsed(): number;
  /**
   * Start timers that do not keep the process alive, and return a function that cancels the timer. A timer of 2^31 ms or more, which
   * Node cannot hold, never fires.
   */
  after(ms: number, then: () => void): () => void;
  every(ms: number, then: () => void): () => void;
}

/** The longest delay of a timer of Node: with a longer one it fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Returns a time limit, or Infinity for one that no timer can hold: a remainder of it is then infinite too. */
export const timeLimit = (ms: number): number => (ms <= MAX_TIMER_MS ? ms : Infinity);

export const systemClock: Clock = {
  now: () => Date.now(), // not `Date.now` itself, which fake timers replace
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
