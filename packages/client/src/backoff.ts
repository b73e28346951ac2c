import { checkBackoff } from '#diagnostics';

/** Decides how long to wait before the next attempt. */
export interface ReconnectPolicy {
  /**
   * Milliseconds to wait, or null to give up.
   * @param failed `attempt` counts the attempts since the last stable connection, from 0; `cause` is the error that ended the last
   *   connection or attempt. A connection is stable if it lasted at least 5 s.
   */
  nextDelayMs(failed: { readonly attempt: number; readonly cause: Error }): number | null;
  /** Whether attempts of `start()` are retried too. Default false: `start()` rejects with the first failure. */
  readonly initial?: boolean | undefined;
}

export interface BackoffOptions {
  /** The longest delay before the first attempt, in milliseconds. It doubles with each attempt. Default 250. */
  readonly firstMs?: number | undefined;
  /** The longest delay before any attempt, in milliseconds. Default 30,000. */
  readonly maxMs?: number | undefined;
  /** The number of attempts before the connection is closed. Default: no limit. */
  readonly attempts?: number | undefined;
  /** Whether attempts of `start()` are retried too. Default false. */
  readonly initial?: boolean | undefined;
  /** Returns a number in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/**
 * Creates a policy of exponential back-off with full jitter: the delay is a random part of a window that doubles, so clients that were
 * disconnected together do not return together.
 */
export function backoff({
  firstMs = 250,
  maxMs = 30_000,
  attempts = Infinity,
  initial = false,
  random = Math.random,
}: BackoffOptions = {}): ReconnectPolicy {
  checkBackoff({ firstMs, maxMs, attempts });
  // The exponent has a limit: 2 ** 1024 is Infinity, and 0 * Infinity is NaN.
  return {
    initial,
    nextDelayMs: ({ attempt }) => (attempt < attempts ? random() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30)) : null),
  };
}
