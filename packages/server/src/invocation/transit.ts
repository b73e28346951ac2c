import type { ProcessId } from '../backplane/index.ts';

/** When a question was sent, and when it must be answered. */
export interface Postmark {
  /** By the sender's clock, which has nothing but its pace in common with the reader's. */
  readonly sentAt: number;
  /** The time that was left when it was sent, in milliseconds. */
  readonly leftMs: number;
  /** Of a question that was returned and is sent again: when the reader returned it, by the reader's clock. */
  readonly returnedAt?: number | undefined;
}

interface Fastest {
  /** The reader's clock minus the sender's, for the message that was fastest. */
  offset: number;
  /** When that was confirmed by a round trip. */
  readonly confirmedAt: number;
}

/** A question that took longer than this beyond the usual is returned: its sender may have given up meanwhile. */
const MAX_DELAY_MS = 250;
/** Clocks drift: after this time the fastest message says nothing any more. */
const CONFIRMED_MS = 600_000;

/**
 * Estimates for how long questions were on their way, without clocks that agree: a node whose event loop was blocked, or whose
 * link was slow, reads late what was sent in time. A doubtful question is returned, and sent again by a node that still waits;
 * the round trip bounds how old that one is.
 */
export class Transit {
  readonly #elapsed: () => number;
  readonly #fastest = new Map<ProcessId, Fastest>();

  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** The time that is left for a question, at most; undefined where it has to be returned. */
  leftMs(from: ProcessId, { sentAt, leftMs, returnedAt }: Postmark): number | undefined {
    const now = this.#elapsed();
    const offset = now - sentAt;
    const roundTripMs = returnedAt === undefined ? undefined : now - returnedAt;
    if (roundTripMs !== undefined && roundTripMs >= 0 && roundTripMs < leftMs) {
      this.#fastest.set(from, { offset, confirmedAt: now });
      return leftMs;
    }
    const fastest = this.#fastest.get(from);
    if (!fastest || now - fastest.confirmedAt > CONFIRMED_MS) return undefined;
    fastest.offset = Math.min(fastest.offset, offset);
    const delayMs = offset - fastest.offset;
    return delayMs < Math.min(MAX_DELAY_MS, leftMs) ? leftMs - delayMs : undefined;
  }

  forget(process: ProcessId): void {
    this.#fastest.delete(process);
  }
}
