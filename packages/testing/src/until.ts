export interface UntilOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** Between two looks; default 5. */
  readonly intervalMs?: number;
}

/**
 * Looks again and again until the condition is truthy, and gives its value. A condition that throws is not true yet.
 * @throws Error when the time is over, with what the condition threw last as its cause.
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
    if (performance.now() >= deadline) throw new Error(`Not so within ${timeoutMs} ms: ${condition.toString()}`, { cause });
    // eslint-disable-next-line no-restricted-syntax -- this is the polling that tests use instead
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
