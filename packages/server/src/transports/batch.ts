import type { Wire } from '@hubline/protocol';

/**
 * The messages for one client in one turn of the event loop: a list that grows at its end. All clients with the same
 * messages in the same order share the list, so a broadcast costs one reference per client, and the bytes of a
 * turn are joined once for all of them.
 */
export class Batch {
  readonly #previous: Batch | undefined;
  readonly #message: Wire;
  /** The list that continued this one last. */
  #next: Batch | undefined;
  #written: Map<Format, Buffer> | undefined;
  readonly count: number;
  /** An upper estimate of the size in bytes: a text counts three bytes for each UTF-16 unit. */
  readonly maxBytes: number;

  constructor(previous?: Batch, message: Wire = '') {
    this.#previous = previous;
    this.#message = message;
    this.count = previous ? previous.count + 1 : 0;
    this.maxBytes = (previous?.maxBytes ?? 0) + message.length * (typeof message === 'string' ? 3 : 1);
  }

  append(message: Wire): Batch {
    const next = this.#next;
    if (next && next.#message === message) return next;
    return (this.#next = new Batch(this, message));
  }

  /** Returns the messages as a transport writes them. Built at the first call for each format. */
  as(format: Format): Buffer {
    let written = this.#written?.get(format);
    if (!written) {
      written = format(this.#messages());
      (this.#written ??= new Map()).set(format, written);
    }
    return written;
  }

  #messages(): readonly Wire[] {
    const messages = [this.#message];
    for (let at = this.#previous; at && at.count > 0; at = at.#previous) messages.push(at.#message);
    return messages.reverse();
  }
}

/** How a transport writes messages. The function itself is the key under which {@link Batch.as} keeps the bytes. */
export type Format = (messages: readonly Wire[]) => Buffer;
