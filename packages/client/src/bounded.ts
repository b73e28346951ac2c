import { HublineError } from '@hubline/protocol';
import type { Clock } from './clock.ts';

/** Runs `act` with the reason as soon as the signal is aborted, be it already; returns its undo. */
export function onAbort(signal: AbortSignal, act: (reason: unknown) => void): () => void {
  const listener = (): void => act(signal.reason);
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

export interface Bounds {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs one step of an attempt: it ends after `timeoutMs` at the latest, and at once when the attempt is called off. The
 * step is told by its own signal, and MUST release what it acquires after that.
 * @throws HublineError `timed_out`; the signal's reason
 */
export function bounded<T>({ clock, timeoutMs, signal }: Bounds, step: (signal: AbortSignal) => T | PromiseLike<T>): Promise<T> {
  const inner = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const giveUp = (reason: unknown): void => {
      inner.abort(reason);
      reject(reason);
    };
    const undoTimer = clock.after(timeoutMs, () => giveUp(new HublineError('timed_out', `No answer in ${timeoutMs} ms.`, { timeoutMs })));
    const undoAbort = onAbort(signal, giveUp);
    Promise.resolve(step(inner.signal))
      .then(resolve, reject)
      .finally(() => {
        undoTimer();
        undoAbort();
      });
  });
}
