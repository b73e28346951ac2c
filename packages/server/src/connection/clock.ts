/** Time, so that a test can own it. */
export interface Clock {
  /** Milliseconds since the epoch: for dates. A step of the system's clock moves it. */
  now(): number;
  /** Milliseconds on a clock that only goes forward: for durations. */
  elapsed(): number;
  /** Neither keeps the process alive. Both return their undo. */
  after(ms: number, then: () => void): () => void;
  every(ms: number, then: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms).unref();
    return () => clearTimeout(timer);
  },
  every(ms, then) {
    const timer = setInterval(then, ms).unref();
    return () => clearInterval(timer);
  },
};
