export interface BackpressureOptions {
  /** Estimated bytes of what is decoded and not yet consumed. */
  readonly maxQueuedBytes: number;
  /** Whether the client owes an answer. */
  readonly isAsked: () => boolean;
  /** Something has changed: look at {@link Backpressure.isFull} again. */
  readonly changed: () => void;
}

/** While the client owes an answer, so many times the budget may be held: the answer stands behind what it sent before. */
const ASKED_FACTOR = 2;

/**
 * Decides whether more of what a client sends is decoded: buffers by their counts, and one budget in bytes for all of them. A method
 * that asks its own caller must get the answer, so counts do not stop the reading then, and the budget is larger; where the
 * answer stands behind even more, the call's own time limit ends the wait.
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

  /** One buffer more is full; call {@link release} when it has room again. */
  hold(): void {
    this.#full++;
  }

  release(): void {
    this.#full--;
    this.#options.changed();
  }

  /** So many bytes more are decoded and wait; call {@link free} when they are consumed. */
  spend(bytes: number): void {
    this.#bytes += bytes;
  }

  free(bytes: number): void {
    this.#bytes -= bytes;
    this.#options.changed();
  }
}
