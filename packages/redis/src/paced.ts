/**
 * Returns a function that runs the task at once, and again at the end of `ms` where it was called meanwhile: any number of calls
 * are at most one run per `ms`.
 */
export function paced(ms: number, task: () => void): () => void {
  let isWaiting = false;
  let isWanted = false;
  const run = (): void => {
    isWanted = false;
    isWaiting = true;
    setTimeout(() => {
      isWaiting = false;
      if (isWanted) run();
    }, ms).unref();
    task();
  };
  return () => {
    isWanted = true;
    if (!isWaiting) run();
  };
}
