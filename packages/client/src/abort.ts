/** Runs `act` with the reason as soon as the signal, if there is one, is aborted, be it already; returns its undo. */
export function onAbort(signal: AbortSignal | undefined, act: (reason: unknown) => void): () => void {
  const listener = (): void => act(signal?.reason);
  if (signal?.aborted) listener();
  else signal?.addEventListener('abort', listener);
  return () => signal?.removeEventListener('abort', listener);
}
