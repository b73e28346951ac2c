import type { Wire } from '@hubline/protocol';

/** Sends messages by POST, one request at a time to keep their order. Messages that wait are sent in one request. */
export interface PostQueue {
  send(wire: Wire): void;
  /** Resolves when no message waits. Never rejects. */
  flushed(): Promise<void>;
  /** The size of all messages whose request has not succeeded yet: bytes, or UTF-16 units of texts. */
  readonly bufferedAmount: number;
}

/** Creates a queue. @param failed Called with the first error; nothing is sent after it */
export function createPostQueue(post: (body: Blob) => Promise<unknown>, failed: (error: unknown) => void): PostQueue {
  let waiting: Wire[] = [];
  let bufferedAmount = 0;
  let sending: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const wires = waiting;
      waiting = [];
      // A Blob without a type sends no Content-Type, which would need a preflight request.
      await post(new Blob(wires as BlobPart[]));
      for (const { length } of wires) bufferedAmount -= length;
    }
    sending = undefined;
  };

  return {
    send(wire) {
      waiting.push(wire);
      bufferedAmount += wire.length;
      // Messages of one turn of the event loop share a request.
      sending ??= Promise.resolve().then(drain).catch(failed);
    },
    flushed: async () => sending,
    get bufferedAmount() {
      return bufferedAmount;
    },
  };
}
