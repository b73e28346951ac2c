import { HublineError } from '@hubline/protocol';
import type { Backpressure } from './backpressure.ts';
import { costOf } from './cost.ts';

interface Item {
  readonly value: unknown;
  readonly bytes: number;
}

/** Estimated memory of an item besides its value. */
const ITEM_BYTES = 64;

/** A stream that the client sends. Buffers a few items until the method reads them. */
export class Upload implements AsyncIterable<unknown> {
  readonly #capacity: number;
  readonly #backpressure: Backpressure;
  readonly #items: Item[] = [];
  #end: { readonly error?: Error } | undefined;
  #holding = false;
  #wake: (() => void) | undefined;

  constructor(capacity: number, backpressure: Backpressure) {
    this.#capacity = capacity;
    this.#backpressure = backpressure;
  }

  push(value: unknown): void {
    if (this.#end) return;
    const bytes = ITEM_BYTES + costOf(value);
    this.#items.push({ value, bytes });
    this.#backpressure.spend(bytes);
    this.#hold(this.#items.length > this.#capacity);
    this.#wake?.();
  }

  /** Ends the stream. The method gets the waiting items first. */
  end(error?: Error): void {
    this.#end ??= error ? { error } : {};
    this.#wake?.();
  }

  /** Discards the waiting items and all later ones: no method reads them any more. */
  discard(): void {
    this.end(new HublineError('cancelled', 'The call of this stream has ended.', {})); // first, since room in the buffers brings the next items
    const bytes = this.#items.reduce((sum, item) => sum + item.bytes, 0);
    this.#items.length = 0;
    this.#hold(false);
    this.#backpressure.free(bytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    try {
      for (;;) {
        while (this.#items.length > 0) {
          const { value, bytes } = this.#items.shift()!;
          this.#hold(this.#items.length > this.#capacity);
          this.#backpressure.free(bytes);
          yield value;
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
