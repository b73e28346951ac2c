import type { HublineError } from '@hubline/protocol';

/** The call of a stream. */
export interface StreamCall {
  /** Reports that the consumer took an item: the server may then send more. */
  took(): void;
  /** Cancels the call. */
  cancel(): void;
}

export interface StreamOptions {
  /** Sends the call. Calls `item` for each item, then `ended` once, with null if the stream succeeded. */
  open(item: (item: unknown) => void, ended: (error: HublineError | null) => void): StreamCall;
  /** Returns the value that the consumer gets for an item. */
  check(item: unknown): unknown;
}

/** Creates the iterator over the items of a call. The first `next()` sends the call; `return()` cancels it, also during a `next()`. */
export function createStream({ open, check }: StreamOptions): AsyncIterableIterator<unknown> {
  const items: unknown[] = [];
  /** The end of the stream: undefined while it is open, null after success or after its error was thrown. */
  let end: HublineError | null | undefined;
  let call: StreamCall | undefined;
  let wake = (): void => {};
  let turn: Promise<IteratorResult<unknown>> | undefined;

  const leave = (): void => {
    items.length = 0;
    call?.cancel();
    end = null;
    wake();
  };
  const step = async (): Promise<IteratorResult<unknown>> => {
    try {
      while (end === undefined && items.length === 0) {
        const changed = new Promise<void>((resolve) => (wake = resolve));
        call ??= open(
          (item) => {
            items.push(item);
            wake();
          },
          (error) => {
            end = error;
            // After a cancellation the items that arrived are dropped; after any other error the consumer still gets them.
            if (error?.code === 'cancelled') items.length = 0;
            wake();
          },
        );
        await changed;
      }
      if (items.length > 0) {
        call?.took();
        return { done: false, value: await check(items.shift()) };
      }
      if (end) throw end;
      return { done: true, value: undefined };
    } catch (error) {
      leave();
      throw error;
    }
  };
  return {
    // Calls of `next` run one after the other, as in a generator.
    next: () => (turn = turn ? turn.then(step, step) : step()),
    async return() {
      leave();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
