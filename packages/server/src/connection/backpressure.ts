/** The input whose decoding the backpressure stops. */
export interface BoundedInput {
  /** Whether the client owes the answer to an invocation. */
  readonly owesAnswer: boolean;
  /** Called when {@link Backpressure.isFull} may have changed. */
  advance(): void;
}

/** Multiplies the budget while the client owes an answer: the answer comes after messages that the client sent before it. */
const OWING_FACTOR = 2;

/**
 * Decides whether more of a client's input is decoded: by the number of its full buffers, and by one budget in bytes for all of them. While
 * the client owes an answer, only the budget counts, and it is doubled: a method that invokes its own caller must get the answer. If
 * more input precedes the answer, the time limit of the invocation ends the wait.
 */
export class Backpressure {
  readonly #maxQueuedBytes: number;
  readonly #input: BoundedInput;
  #fullBuffers = 0;
  #bytes = 0;

  /** `maxQueuedBytes`: estimated bytes of decoded input that is not consumed yet. */
  constructor(maxQueuedBytes: number, input: BoundedInput) {
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#input = input;
  }

  get isFull(): boolean {
    const maxQueuedBytes = this.#maxQueuedBytes;
    return this.#input.owesAnswer ? this.#bytes > OWING_FACTOR * maxQueuedBytes : this.#fullBuffers > 0 || this.#bytes > maxQueuedBytes;
  }

  /** Counts one more full buffer, until {@link release}. */
  hold(): void {
    this.#fullBuffers++;
  }

  release(): void {
    this.#fullBuffers--;
    this.#input.advance();
  }

  /** Counts decoded bytes that wait, until {@link free}. */
  spend(bytes: number): void {
    this.#bytes += bytes;
  }

  free(bytes: number): void {
    this.#bytes -= bytes;
    this.#input.advance();
  }
}
