import { Batch } from '../transports/index.ts';

/** A queue that is flushed at the end of a turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/** Collects what is sent in one turn of the event loop, so that each socket is written to once. */
export class Turn {
  #waiting: Flushable[] = [];
  #start = new Batch();
  #number = 0;
  #isArmed = false;
  #isCounting = false;

  /** The empty batch that all outboxes of this turn start from: outboxes with the same messages share the bytes. */
  get start(): Batch {
    return this.#start;
  }

  /** The number of the current turn. Does not schedule the flush: a backplane that schedules its own meanwhile sends before local sockets. */
  get number(): number {
    if (!this.#isCounting) {
      this.#isCounting = true;
      setImmediate(this.#count);
    }
    return this.#number;
  }

  add(flushable: Flushable): void {
    this.#waiting.push(flushable);
    this.#arm();
  }

  /** Schedules the flush. `setImmediate` runs after everything that arrived together is handled, promises included. */
  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#end);
  }

  readonly #count = (): void => {
    this.#isCounting = false;
    this.#number++;
  };

  readonly #end = (): void => {
    const waiting = this.#waiting;
    this.#isArmed = false;
    this.#waiting = [];
    this.#start = new Batch();
    for (const flushable of waiting) flushable.flush();
  };
}
