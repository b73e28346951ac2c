/** A source of time and timers, which a test can replace. */
export interface Clock {
  /** Milliseconds since the epoch: for dates. A step of the system's clock moves it. */
  now(): number;
  /** Milliseconds on a clock that only goes forward: for durations. */
  elapsed(): number;
  /**
   * Timers that do not keep the process alive. Both return a function that cancels the timer. After `Infinity` and every time of 2^31 ms
   * or more, which a timer of Node cannot hold, nothing is run.
   */
  after(ms: number, then: () => void): () => void;
  every(ms: number, then: () => void): () => void;
}

/** The longest delay of a timer of Node: with a longer one it fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A time limit, and Infinity for one that no timer can hold: so what is left of it later is endless too. */
export const timeLimit = (ms: number): number => (ms <= MAX_TIMER_MS ? ms : Infinity);

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
