import type { Socket } from 'node:net';
import { reset } from './reset.ts';

/** Passes what one socket reads on to another, later or not at all for a while; the end of it too. */
export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  /** Chunks in flight, in order. */
  readonly #steps: (() => void)[] = [];
  /** How many of them are due. */
  #due = 0;
  #delayMs = 0;
  #isHeld = false;

  constructor(from: Socket, to: Socket, count: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => {
      count(chunk.length);
      this.#later(() => {
        if (!to.write(chunk)) from.pause();
      });
    });
    from.on('end', () => this.#later(() => to.end()));
    from.on('error', () => this.#later(() => reset(to)));
    to.on('drain', () => this.#flow());
  }

  /** Delays every chunk that is read from now on. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  hold(): void {
    this.#isHeld = true;
    this.#from.pause();
  }

  release(): void {
    this.#isHeld = false;
    this.#pass();
    this.#flow();
  }

  /** One timer for each step, and each passes the oldest: a shorter delay overtakes nothing. */
  #later(step: () => void): void {
    this.#steps.push(step);
    const due = (): void => {
      this.#due++;
      if (!this.#isHeld) this.#pass();
    };
    if (this.#delayMs === 0 && this.#steps.length === 1) due();
    else setTimeout(due, this.#delayMs).unref();
  }

  #pass(): void {
    for (; this.#due > 0; this.#due--) this.#steps.shift()?.();
  }

  #flow(): void {
    if (!this.#isHeld && !this.#to.writableNeedDrain) this.#from.resume();
  }
}
