import type { Socket } from 'node:net';
import { reset } from './reset.ts';

/** Forwards the data and the end of one socket to another. Chunks can be delayed or held. */
export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  /** The writes that are delayed or held, in order. */
  readonly #steps: (() => void)[] = [];
  /** The number of steps whose delay is over. */
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

  /** Sets one timer per step. Each timer passes the oldest step, so a step with a shorter delay overtakes none. */
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
