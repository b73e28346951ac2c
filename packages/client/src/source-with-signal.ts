/**
 * Creates a source of an upload that gets a signal. The signal aborts as soon as the upload is stopped: its call was answered or
 * cancelled, or the connection ended. A generator alone is stopped only when its current `await` is over.
 *
 *     connection.invoke.import("lobby", sourceWithSignal((signal) => readLines(file, { signal })));
 */
export function sourceWithSignal<T>(open: (signal: AbortSignal) => AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const stopped = new AbortController();
      const iterator = open(stopped.signal)[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        async return() {
          stopped.abort();
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
