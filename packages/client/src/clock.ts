import { after } from '@hubline/protocol';

/** The time and the timers of the client. Tests pass their own. */
export interface Clock {
  /** Milliseconds of wall time, which passes while the machine sleeps too. */
  now(): number;
  /** Runs `act` once after `ms`. Returns a function that cancels it. */
  after(ms: number, act: () => void): () => void;
}

export const systemClock: Clock = { now: Date.now, after };
