export interface BackpressureOptions {
  /** Estimated bytes of what is decoded and not yet consumed. */
  readonly maxQueuedBytes: number;
  /** Whether the client owes an answer. */
  readonly isAsked: () => boolean;
  /** Called when {@link Backpressure.isFull} may have changed. */
  readonly changed: () => void;
}

/** Multiplies the budget while the client owes an answer: the answer comes after messages that the client sent before it. */
const ASKED_FACTOR = 2;

/**
 * Decides whether more of a client's input is decoded: by the counts of its buffers, and by one budget in bytes for all of them. A
 * method that invokes its own caller must get the answer, so counts do not stop the reading then, and the budget is larger; where
 * even more input precedes the answer, the call's own time limit ends the wait.
 */
export class Backpressure {
  readonly #options: BackpressureOptions;
  #full = 0;
  #bytes = 0;

  constructor(options: BackpressureOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    const { maxQueuedBytes, isAsked } = this.#options;
    return isAsked() ? this.#bytes > ASKED_FACTOR * maxQueuedBytes : this.#full > 0 || this.#bytes > maxQueuedBytes;
  }

  /** Counts one more full buffer; call {@link release} when it has room again. */
  hold(): void {
    this.#full++;
  }

  release(): void {
    this.#full--;
    this.#options.changed();
  }

  /** Counts bytes that are decoded and wait; call {@link free} when they are consumed. */
  spend(bytes: number): void {
    this.#bytes += bytes;
  }

  free(bytes: number): void {
    this.#bytes -= bytes;
    this.#options.changed();
  }
}
