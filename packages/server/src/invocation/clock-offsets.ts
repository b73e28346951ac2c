import type { ProcessId } from '../backplane/index.ts';

/** When a request was sent, and when it must be answered. */
export interface RequestTimes {
  /** By the sender's clock, which runs at the reader's pace but has another origin. */
  readonly sentAt: number;
  /** The time that was left when it was sent, in milliseconds; Infinity for a request without an end. */
  readonly leftMs: number;
  /** Of a request that was returned and is sent again: when the reader returned it, by the reader's clock. */
  readonly returnedAt?: number | undefined;
}

interface Fastest {
  /** The reader's clock minus the sender's, for the message that was fastest. */
  offset: number;
  /** The least that the clocks can differ by: the round trip was the longest possible transit of the message that confirmed it. */
  readonly least: number;
  /** When a round trip has confirmed the offset. */
  readonly confirmedAt: number;
}

/** A request that took this much longer than the fastest one is returned: its sender may have given up meanwhile. */
const MAX_DELAY_MS = 250;
/** Clocks drift: after this time an offset is not valid any more. */
const CONFIRMED_MS = 600_000;

/**
 * Estimates the transit time of requests without synchronised clocks: a node with a blocked event loop or a slow link reads late
 * what was sent in time. A request that may be late is returned, and sent again by a node that still waits; the round trip bounds
 * the age of the repeated request.
 */
export class ClockOffsets {
  readonly #elapsed: () => number;
  readonly #fastest = new Map<ProcessId, Fastest>();

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** The most time that may be left for a request; undefined where it has to be returned. */
  leftMs(from: ProcessId, { sentAt, leftMs, returnedAt }: RequestTimes): number | undefined {
    const now = this.#elapsed();
    const offset = now - sentAt;
    const roundTripMs = returnedAt === undefined ? undefined : now - returnedAt;
    if (roundTripMs !== undefined && roundTripMs >= 0 && roundTripMs < leftMs) {
      this.#fastest.set(from, { offset, least: offset - roundTripMs, confirmedAt: now });
      return leftMs;
    }
    const fastest = this.#fastest.get(from);
    if (!fastest || now - fastest.confirmedAt > CONFIRMED_MS) return undefined;
    fastest.offset = Math.min(fastest.offset, offset);
    const delayMs = offset - fastest.offset;
    const isInTime = delayMs < MAX_DELAY_MS && offset - fastest.least < leftMs;
    return isInTime ? leftMs - delayMs : undefined;
  }

  forget(process: ProcessId): void {
    this.#fastest.delete(process);
  }
}
