import type { Clock } from '../connection/index.ts';
import type { AcceptedConnection } from '../hub/index.ts';

export interface DrainOptions {
  /** Over how long connections are sent elsewhere, one after the other. Default 0: all at once. */
  readonly spreadMs?: number | undefined;
  /** The longest time for calls, streams and invocations of a connection to end, from its turn on. Default 5000. */
  readonly graceMs?: number | undefined;
}

/** How often a connection that is busy is looked at again. */
const LOOK_AGAIN_MS = 20;

/** Ends each connection when its turn has come and nothing runs for it any more, or its grace is over. */
export async function drain(
  connections: Iterable<AcceptedConnection>,
  end: (connection: AcceptedConnection) => void,
  { clock, spreadMs = 0, graceMs = 5000 }: DrainOptions & { readonly clock: Clock },
): Promise<void> {
  const startedAt = clock.elapsed();
  const all = [...connections];
  let waiting = all.map((connection, turn) => ({ connection, dueAt: startedAt + (spreadMs * turn) / all.length }));
  for (;;) {
    const now = clock.elapsed();
    waiting = waiting.filter(({ connection, dueAt }) => {
      const stays = now < dueAt || (connection.isBusy && now < dueAt + graceMs);
      if (!stays) end(connection);
      return stays;
    });
    if (waiting.length === 0) return;
    await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve));
  }
}
