import type { Wire } from '@hubline/protocol';

/** What is sent by POST: never two at a time, for they could overtake each other. What waits meanwhile leaves as one. */
export interface PostQueue {
  send(wire: Wire): void;
  /** Settles when nothing waits any more. Never rejects. */
  flushed(): Promise<void>;
  /** What the server has not taken yet. */
  readonly bufferedAmount: number;
}

/** @param failed Called once; nothing is sent after it. */
export function createPostQueue(post: (body: Blob) => Promise<unknown>, failed: (error: unknown) => void): PostQueue {
  let waiting: Wire[] = [];
  let bufferedAmount = 0;
  let sending: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const wires = waiting;
      waiting = [];
      // No type, and so no header of a type that would cost a preflight.
      await post(new Blob(wires as BlobPart[]));
      for (const { length } of wires) bufferedAmount -= length;
    }
    sending = undefined;
  };

  return {
    send(wire) {
      waiting.push(wire);
      bufferedAmount += wire.length;
      // What is sent in one turn leaves together.
      sending ??= Promise.resolve().then(drain).catch(failed);
    },
    flushed: async () => sending,
    get bufferedAmount() {
      return bufferedAmount;
    },
  };
}
