import { after } from '@hubline/protocol';

/** Time, as everything in the client sees it: tests bring their own. */
export interface Clock {
  /** Milliseconds of wall time: it must go on while the machine sleeps. */
  now(): number;
  /** Runs `act` once after `ms`; returns its undo. */
  after(ms: number, act: () => void): () => void;
}

export const systemClock: Clock = { now: Date.now, after };
