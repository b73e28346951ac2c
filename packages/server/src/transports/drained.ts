import type { Writable } from 'node:stream';

/** Calls back when a stream accepts more data or has closed, at once if it does already. */
export function onceDrained(stream: Writable, then: () => void): void {
  if (stream.destroyed || !stream.writableNeedDrain) return then();
  const settle = (): void => {
    stream.off('drain', settle);
    stream.off('close', settle);
    then();
  };
  stream.on('drain', settle);
  stream.on('close', settle);
}
