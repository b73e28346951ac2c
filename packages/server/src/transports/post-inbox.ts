import type { IncomingMessage } from 'node:http';

/**
 * What a client sends by POST. Bodies are read one after the other, in the order in which they came, and only while
 * somebody wants to read; a post is answered when its body has been taken, so a slow method slows its caller.
 */
export class PostInbox {
  readonly #receive: (chunk: Uint8Array) => void;
  #last: Promise<void> = Promise.resolve();
  #resumed: Promise<void> | undefined;
  #resume: (() => void) | undefined;

  constructor(receive: (chunk: Uint8Array) => void) {
    this.#receive = receive;
  }

  pause(): void {
    this.#resumed ??= new Promise((resolve) => (this.#resume = resolve));
  }

  resume(): void {
    this.#resume?.();
    this.#resumed = undefined;
  }

  /** Settles when the body has been taken; rejects when it did not arrive whole. */
  post(incoming: IncomingMessage): Promise<void> {
    const taken = this.#last.then(() => this.#take(incoming));
    this.#last = taken.catch(() => undefined); // told to whoever posted; the next one has its turn all the same
    return taken;
  }

  async #take(incoming: IncomingMessage): Promise<void> {
    for await (const chunk of incoming) {
      await this.#resumed;
      this.#receive(chunk as Uint8Array);
    }
    await this.#resumed;
  }
}
