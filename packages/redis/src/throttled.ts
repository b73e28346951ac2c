/**
 * Returns a function that runs the task at once, and again after `ms` if it was called in the meantime: the task runs at most once
 * per `ms`.
 */
export function throttled(ms: number, task: () => void): () => void {
  let isWaiting = false;
  let isCalled = false;
  const run = (): void => {
    isCalled = false;
    isWaiting = true;
    setTimeout(() => {
      isWaiting = false;
      if (isCalled) run();
    }, ms).unref();
    task();
  };
  return () => {
    isCalled = true;
    if (!isWaiting) run();
  };
}
