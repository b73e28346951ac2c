import type { Body } from './body.ts';

/** The limit of waiting posts of one connection. Clients send one at a time; a socket may carry thousands of small ones at once. */
const MAX_WAITING_POSTS = 64;
/** The limit of the bytes in all waiting posts of one connection. */
const MAX_WAITING_BYTES = 1_048_576;

/**
 * Reads the bodies that a client sends by POST, one after another, in their order, and only while the connection reads its input. A post is
 * answered when its body has been read, so a slow method slows its caller.
 */
export class HttpPostQueue {
  readonly #receive: (chunk: Uint8Array) => void;
  readonly #waiting = new Set<Body>();
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

  /** Resolves when the body has been read; rejects if it did not arrive whole. */
  post(body: Body): Promise<void> {
    this.#waiting.add(body);
    const weigh = (): void => {
      // The socket is destroyed, since a refusal would wait behind the answers to the other posts.
      if (this.#waiting.size > MAX_WAITING_POSTS || this.#waitingBytes > MAX_WAITING_BYTES) body.cut();
    };
    body.grown = weigh;
    weigh();
    const taken = this.#last.then(() => {
      body.grown = undefined;
      this.#waiting.delete(body);
      return this.#take(body);
    });
    this.#last = taken.catch(() => undefined); // the response of that POST has the error; the next POST is read anyway
    return taken;
  }

  get #waitingBytes(): number {
    let bytes = 0;
    for (const { waitingBytes } of this.#waiting) bytes += waitingBytes;
    return bytes;
  }

  async #take(body: Body): Promise<void> {
    for await (const chunk of body) {
      await this.#resumed;
      this.#receive(chunk);
    }
    await this.#resumed;
  }
}
