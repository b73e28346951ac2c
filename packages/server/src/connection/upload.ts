import { HublineError } from '@hubline/protocol';
import type { Backpressure } from './backpressure.ts';

/** A stream that the client sends: items wait here, a few of them, until the method takes them. */
export class Upload implements AsyncIterable<unknown> {
  readonly #capacity: number;
  readonly #backpressure: Backpressure;
  readonly #items: unknown[] = [];
  #end: { readonly error?: Error } | undefined;
  #holding = false;
  #wake: (() => void) | undefined;

  constructor(capacity: number, backpressure: Backpressure) {
    this.#capacity = capacity;
    this.#backpressure = backpressure;
  }

  /** How many items wait. */
  get length(): number {
    return this.#items.length;
  }

  push(item: unknown): void {
    if (this.#end) return;
    this.#items.push(item);
    this.#hold(this.#items.length > this.#capacity);
    this.#wake?.();
  }

  /** The client has ended the stream; what waits is still taken first. */
  end(error?: Error): void {
    this.#end ??= error ? { error } : {};
    this.#wake?.();
  }

  /** Nobody takes it any more. */
  discard(): void {
    this.#items.length = 0;
    this.#hold(false);
    this.end(new HublineError('cancelled', 'The call that this stream belongs to is over.', {}));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    try {
      for (;;) {
        while (this.#items.length > 0) {
          const item = this.#items.shift();
          this.#hold(this.#items.length > this.#capacity);
          yield item;
        }
        if (this.#end?.error) throw this.#end.error;
        if (this.#end) return;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.discard(); // a method that has left its loop must not stop the reading
    }
  }

  #hold(full: boolean): void {
    if (full === this.#holding) return;
    this.#holding = full;
    if (full) this.#backpressure.hold();
    else this.#backpressure.release();
  }
}
