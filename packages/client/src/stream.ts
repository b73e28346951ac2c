import type { HublineError } from '@hubline/protocol';

/** A call whose items a stream gives. */
export interface StreamCall {
  /** Tells the server that there is room for another item. */
  took(): void;
  giveUp(): void;
}

export interface StreamOptions {
  /** Sends the call, and hears of it: each item, then once how it ended (null: well). */
  open(item: (item: unknown) => void, ended: (error: HublineError | null) => void): StreamCall;
  /** Returns the value that the program gets for an item. */
  check(item: unknown): unknown;
}

/** Gives the items of a call. It is sent when the first one is asked for; leaving cancels it at once, also while an item is awaited. */
export function createStream({ open, check }: StreamOptions): AsyncIterableIterator<unknown> {
  const items: unknown[] = [];
  /** How it ended: null is well, or told already. */
  let end: HublineError | null | undefined;
  let call: StreamCall | undefined;
  let wake = (): void => {};
  let turn: Promise<IteratorResult<unknown>> | undefined;

  const leave = (): void => {
    items.length = 0;
    call?.giveUp();
    end = null;
    wake();
  };
  const step = async (): Promise<IteratorResult<unknown>> => {
    try {
      while (end === undefined && items.length === 0) {
        const news = new Promise<void>((resolve) => (wake = resolve));
        call ??= open(
          (item) => {
            items.push(item);
            wake();
          },
          (error) => {
            end = error;
            // The caller who cancels wants no more; after a loss the caller still gets what had arrived.
            if (error?.code === 'cancelled') items.length = 0;
            wake();
          },
        );
        await news;
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
    // One after the other, as a generator has it.
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
