import { checkBackoff } from '#diagnostics';

/** Decides how long to wait before the next attempt. Pure, so that a test is a table. */
export interface ReconnectPolicy {
  /**
   * Milliseconds to wait, or null to give up.
   * @param failed `attempt` counts from 0 since a connection last proved itself; `cause` is why the last one ended.
   */
  nextDelayMs(failed: { readonly attempt: number; readonly cause: Error }): number | null;
  /** Whether the first start is retried too. Default false: `start()` rejects with the first failure. */
  readonly initial?: boolean | undefined;
}

export interface BackoffOptions {
  /** The widest wait before the first attempt. Default 250. */
  readonly firstMs?: number | undefined;
  /** The widest wait of all. Default 30,000. */
  readonly maxMs?: number | undefined;
  /** Attempts in a row before giving up. Default: no end. */
  readonly attempts?: number | undefined;
  /** Whether the first start is retried too. Default false. */
  readonly initial?: boolean | undefined;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Full jitter: spreads a thousand clients over the whole window instead of piling them on its edge. */
export function backoff({
  firstMs = 250,
  maxMs = 30_000,
  attempts = Infinity,
  initial = false,
  random = Math.random,
}: BackoffOptions = {}): ReconnectPolicy {
  checkBackoff({ firstMs, maxMs, attempts });
  // From the 30th attempt on the window is as wide as it gets: 2 ** 1024 is Infinity, and 0 times that is no number.
  return {
    initial,
    nextDelayMs: ({ attempt }) => (attempt < attempts ? random() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30)) : null),
  };
}
