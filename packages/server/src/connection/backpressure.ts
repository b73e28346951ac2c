import type { Transport } from '../transports/index.ts';

/**
 * Decides whether a client is read. A method that does not keep up stops the reading, and so slows its caller; but never
 * while the client is asked something, for its answer could not be read and the method would wait for ever.
 */
export class Backpressure {
  readonly #transport: Transport;
  readonly #isAsked: () => boolean;
  #full = 0;
  #paused = false;

  constructor(transport: Transport, isAsked: () => boolean) {
    this.#transport = transport;
    this.#isAsked = isAsked;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** One buffer more is full; call {@link release} when it has room again. */
  hold(): void {
    this.#full++;
    this.update();
  }

  release(): void {
    this.#full--;
    this.update();
  }

  /** Looks again: call when the client was asked something, or has answered. */
  update(): void {
    const pause = this.#full > 0 && !this.#isAsked();
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#transport.pause();
    else this.#transport.resume();
  }
}
