import { Batch } from '../transports/index.ts';

/** Whatever has something to write at the end of the turn. */
export interface Flushable {
  flush(): void;
}

/** Collects what is sent in one turn of the event loop, so that each socket is written to once. */
export class Turn {
  #waiting: Flushable[] = [];
  #start = new Batch();
  #number = 0;
  #isArmed = false;

  /** The empty list that everybody's messages of this turn grow from: who shares it shares the bytes. */
  get start(): Batch {
    return this.#start;
  }

  /** Another one in each turn. */
  get number(): number {
    this.#arm();
    return this.#number;
  }

  add(flushable: Flushable): void {
    this.#waiting.push(flushable);
    this.#arm();
  }

  /** `setImmediate` runs when all that arrived together has been handled, promises included. */
  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#end);
  }

  readonly #end = (): void => {
    const waiting = this.#waiting;
    this.#isArmed = false;
    this.#number++;
    this.#waiting = [];
    this.#start = new Batch();
    for (const flushable of waiting) flushable.flush();
  };
}
