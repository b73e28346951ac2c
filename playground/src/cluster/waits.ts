/** Yields every `everyMs` with how late it is, until the signal aborts. */
export async function* ticks(everyMs: number, signal: AbortSignal): AsyncGenerator<number, void, undefined> {
  for (let due = performance.now() + everyMs; ; due += everyMs) {
    await sleep(due - performance.now(), signal);
    if (signal.aborted) return;
    yield Math.max(0, performance.now() - due);
  }
}

/** Yields at once, and again after what is subscribed to has happened: once, however often it did meanwhile. */
export async function* changes(subscribe: (changed: () => void) => () => void, signal: AbortSignal): AsyncGenerator<void, void, undefined> {
  let isNew = true;
  let wake = (): void => {};
  const undo = subscribe(() => {
    isNew = true;
    wake();
  });
  signal.addEventListener('abort', () => wake());
  try {
    while (!signal.aborted) {
      if (!isNew) await new Promise<void>((resolve) => (wake = resolve));
      isNew = false;
      if (!signal.aborted) yield;
    }
  } finally {
    undo();
  }
}

/** Settles early where the signal aborts. */
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
