import { type HublineError } from '@hubline/protocol';

/** The part of a call that a stream uses. */
export interface StreamPort {
  /** Sends the call, and hears of it: each item, then once how it ended (null: well). Returns what gives it up. */
  open(item: (item: unknown) => void, ended: (error: HublineError | null) => void): () => void;
  /** Checks an item, and tells the server that there is room for another one. */
  take(item: unknown): unknown;
}

/** Gives the items of a call. It is sent when the first one is asked for; leaving cancels it at once, also while an item is awaited. */
export function createStream({ open, take }: StreamPort): AsyncIterableIterator<unknown> {
  const items: unknown[] = [];
  /** How it ended: null is well, or told already. */
  let end: HublineError | null | undefined;
  let giveUp: (() => void) | undefined;
  let wake = (): void => {};
  let turn: Promise<IteratorResult<unknown>> | undefined;

  const leave = (): void => {
    items.length = 0;
    giveUp?.();
    end = null;
    wake();
  };
  const step = async (): Promise<IteratorResult<unknown>> => {
    try {
      while (end === undefined && items.length === 0) {
        const news = new Promise<void>((resolve) => (wake = resolve));
        giveUp ??= open(
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
      if (items.length > 0) return { done: false, value: await take(items.shift()) };
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
    async throw(error) {
      leave();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
