/** Time, as everything in the client sees it: tests bring their own. */
export interface Clock {
  /** Milliseconds of wall time: it must go on while the machine sleeps. */
  now(): number;
  /** Runs `act` once after `ms`; returns its undo. */
  after(ms: number, act: () => void): () => void;
}

/** setTimeout takes 31 bits, and fires at once on more: 24 days, or `Infinity`, are never. */
const TOO_LONG_MS = 2 ** 31;

export const systemClock: Clock = {
  now: Date.now,
  after(ms, act) {
    const timer = ms < TOO_LONG_MS ? setTimeout(act, ms) : undefined;
    return () => clearTimeout(timer);
  },
};
