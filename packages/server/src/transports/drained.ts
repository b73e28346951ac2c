import type { Writable } from 'node:stream';

/** Calls back when a stream takes more, at once where it does now, or when it is gone. */
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
