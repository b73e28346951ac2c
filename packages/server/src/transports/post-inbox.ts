import type { IncomingMessage } from 'node:http';

/** Posts of one connection that wait for their turn. Clients send one at a time; a socket may carry thousands of small ones at once. */
const MAX_WAITING_POSTS = 64;

/**
 * Reads the bodies that a client sends by POST, one after the other, in the order in which they came, and only while
 * the input is read; a post is answered when its body has been taken, so a slow method slows its caller.
 */
export class PostInbox {
  readonly #receive: (chunk: Uint8Array) => void;
  #waiting = 0;
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
    if (this.#waiting >= MAX_WAITING_POSTS) {
      incoming.destroy(); // a refusal would wait behind the answers to the others
      return Promise.reject(new Error(`More than ${MAX_WAITING_POSTS} posts wait.`));
    }
    this.#waiting++;
    const taken = this.#last.then(() => this.#take(incoming));
    this.#last = taken.catch(() => undefined); // the response of that POST has the error; the next POST is read anyway
    return taken;
  }

  async #take(incoming: IncomingMessage): Promise<void> {
    try {
      for await (const chunk of incoming) {
        await this.#resumed;
        this.#receive(chunk as Uint8Array);
      }
      await this.#resumed;
    } finally {
      this.#waiting--;
    }
  }
}
