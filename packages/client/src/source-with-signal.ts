/**
 * A source of an upload that is told at once when it is not wanted any more: its call was answered or given up, or the connection ended.
 * A generator alone learns it when its present wait is over.
 *
 *     connection.invoke.import("lobby", sourceWithSignal((signal) => readLines(file, { signal })));
 */
export function sourceWithSignal<T>(open: (signal: AbortSignal) => AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const left = new AbortController();
      const iterator = open(left.signal)[Symbol.asyncIterator]();
      return {
        next: () => iterator.next(),
        async return() {
          left.abort();
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
