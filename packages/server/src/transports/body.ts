import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';

/** Waiting chunks of a body are joined whenever it has grown by this many bytes: each byte may be a chunk of its own. */
const JOIN_EVERY_BYTES = 1024;

/**
 * The body of a request. Joins its chunks while it waits to be read: Node keeps each chunk as a buffer of its own, which costs a
 * hundred bytes even if it holds one. The body waits in Node's queue, and the client is not read while that queue is full.
 */
export class Body implements AsyncIterable<Uint8Array> {
  readonly #incoming: IncomingMessage | Http2ServerRequest;
  #joined = 0;
  #isStopped = false;
  /** Called when more of the body has arrived. */
  grown: (() => void) | undefined;

  constructor(incoming: IncomingMessage | Http2ServerRequest) {
    this.#incoming = incoming;
    incoming.on('readable', this.#join);
  }

  get waitingBytes(): number {
    return this.#incoming.readableLength;
  }

  /** @throws Error if the body does not arrive whole */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#incoming) {
      this.#joined = 0;
      this.#read();
      yield chunk as Uint8Array;
    }
  }

  /** Drops the body: an unread body would block the connection. */
  discard(): void {
    this.#incoming.off('readable', this.#join);
    this.#read();
    this.#incoming.resume();
  }

  cut(): void {
    this.#incoming.destroy();
  }

  readonly #join = (): void => {
    const { destroyed, readableLength, readableHighWaterMark } = this.#incoming;
    if (destroyed) return;
    if (readableLength - this.#joined >= JOIN_EVERY_BYTES) {
      const chunk = this.#incoming.read() as Buffer;
      this.#incoming.unshift(chunk);
      this.#joined = readableLength;
      if (readableLength >= readableHighWaterMark) {
        process.nextTick(() => this.#stop()); // `read` has asked for more, which takes effect in this tick
        setImmediate(this.#join); // Node emits nothing for further chunks of the same read of the socket
      }
    }
    this.grown?.();
  };

  #stop(): void {
    if (this.#joined === 0) return; // it was read meanwhile
    this.#isStopped = true;
    this.#source.pause();
  }

  /** Reads the client again. Node's own demand is still open, and would not be repeated. */
  #read(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#source.resume();
  }

  get #source() {
    return 'stream' in this.#incoming ? this.#incoming.stream : this.#incoming.socket;
  }
}
