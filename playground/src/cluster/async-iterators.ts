/** Yields every `everyMs` milliseconds, until the signal aborts. Each value is how many milliseconds late it is. */
export async function* ticks(everyMs: number, signal: AbortSignal): AsyncGenerator<number, void, undefined> {
  for (let due = performance.now() + everyMs; ; due += everyMs) {
    await sleep(due - performance.now(), signal);
    if (signal.aborted) return;
    yield Math.max(0, performance.now() - due);
  }
}

/** Yields at once, and again after changes, until the signal aborts. Several changes during one step of the consumer yield once. */
export async function* changes(subscribe: (changed: () => void) => () => void, signal: AbortSignal): AsyncGenerator<void, void, undefined> {
  let isChanged = true;
  let wake = (): void => {};
  const undo = subscribe(() => {
    isChanged = true;
    wake();
  });
  signal.addEventListener('abort', () => wake());
  try {
    while (!signal.aborted) {
      if (!isChanged) await new Promise<void>((resolve) => (wake = resolve));
      isChanged = false;
      if (!signal.aborted) yield;
    }
  } finally {
    undo();
  }
}

/** Waits, but not longer than until the signal aborts. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener('abort', wake);
  });
}
