export interface BackpressureOptions {
  /** Estimated bytes of decoded input that is not consumed yet. */
  readonly maxQueuedBytes: number;
  /** Whether the client owes the answer to an invocation. */
  readonly owesAnswer: () => boolean;
  /** Called when {@link Backpressure.isFull} may have changed. */
  readonly changed: () => void;
}

/** Multiplies the budget while the client owes an answer: the answer comes after messages that the client sent before it. */
const OWING_FACTOR = 2;

/**
 * Decides whether more of a client's input is decoded: by the number of its full buffers, and by one budget in bytes for all of them. While
 * the client owes an answer, only the budget counts, and it is doubled: a method that invokes its own caller must get the answer. If
 * more input precedes the answer, the time limit of the invocation ends the wait.
 */
export class Backpressure {
  readonly #options: BackpressureOptions;
  #fullBuffers = 0;
  #bytes = 0;

  constructor(options: BackpressureOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    const { maxQueuedBytes, owesAnswer } = this.#options;
    return owesAnswer() ? this.#bytes > OWING_FACTOR * maxQueuedBytes : this.#fullBuffers > 0 || this.#bytes > maxQueuedBytes;
  }

  /** Counts one more full buffer, until {@link release}. */
  hold(): void {
    this.#fullBuffers++;
  }

  release(): void {
    this.#fullBuffers--;
    this.#options.changed();
  }

  /** Counts decoded bytes that wait, until {@link free}. */
  spend(bytes: number): void {
    this.#bytes += bytes;
  }

  free(bytes: number): void {
    this.#bytes -= bytes;
    this.#options.changed();
  }
}
