export interface UntilOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** The time between two checks. Default 5. */
  readonly intervalMs?: number;
}

/**
 * Polls a condition until it is truthy, and returns its value. A condition that throws is polled again.
 * @throws Error after `timeoutMs`, with the last error of the condition as its cause
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions = {}): Promise<NonNullable<T>> {
  const { timeoutMs = 5000, intervalMs = 5 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline)
      throw new Error(`The condition is not true after ${timeoutMs} ms: ${condition.toString()}`, { cause });
    // eslint-disable-next-line no-restricted-syntax -- the polling that tests use instead of sleeping
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
