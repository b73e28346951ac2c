import type { ProcessId } from '../backplane/index.ts';

/** The times in the header of a request. */
export interface RequestTimes {
  /** The time of sending, by the sender's clock. The clocks of nodes run at the same pace, but have different origins. */
  readonly sentAt: number;
  /** The remaining time when the request was sent, in milliseconds; Infinity for a request without a time limit. */
  readonly leftMs: number;
  /** If the request was returned and is sent again: the time of the return, by the reader's clock. */
  readonly returnedAt?: number | undefined;
}

interface Offset {
  /** The reader's clock minus the sender's clock, by the fastest request so far. */
  measured: number;
  /** A lower bound of the true offset: the request that confirmed it was in transit for at most the round trip. */
  readonly least: number;
  /** The time of the last round trip, which has confirmed the offset. */
  readonly confirmedAt: number;
}

/** A request that took this much longer than the fastest one is returned: its sender may have stopped waiting. */
const MAX_DELAY_MS = 250;
/** Clocks drift: after this time an offset is invalid. */
const CONFIRMED_MS = 600_000;

/**
 * Estimates the transit time of requests without synchronised clocks. A node with a blocked event loop or a slow link reads requests late.
 * It returns a request that may be late, and a sender that still waits sends it again: the round trip bounds the age of the repeated request.
 */
export class ClockOffsets {
  readonly #elapsed: () => number;
  readonly #offsets = new Map<ProcessId, Offset>();

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Returns the remaining time of a request, or undefined if the request must be returned. */
  leftMs(from: ProcessId, { sentAt, leftMs, returnedAt }: RequestTimes): number | undefined {
    const now = this.#elapsed();
    const offset = now - sentAt;
    const roundTripMs = returnedAt === undefined ? undefined : now - returnedAt;
    if (roundTripMs !== undefined && roundTripMs >= 0 && roundTripMs < leftMs) {
      this.#offsets.set(from, { measured: offset, least: offset - roundTripMs, confirmedAt: now });
      return leftMs;
    }
    const known = this.#offsets.get(from);
    if (!known || now - known.confirmedAt > CONFIRMED_MS) return undefined;
    known.measured = Math.min(known.measured, offset);
    const delayMs = offset - known.measured;
    const isInTime = delayMs < MAX_DELAY_MS && offset - known.least < leftMs;
    return isInTime ? leftMs - delayMs : undefined;
  }

  forget(process: ProcessId): void {
    this.#offsets.delete(process);
  }
}
