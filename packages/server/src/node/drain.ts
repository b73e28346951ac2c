import type { Clock } from '../connection/index.ts';
import type { AcceptedConnection } from '../hub/index.ts';

export interface DrainOptions {
  /** The time over which the connections are closed, one after another. Default 0: all at once. */
  readonly spreadMs?: number | undefined;
  /** How long calls, streams and invocations of a connection may continue after its turn has come. Default 5000. */
  readonly graceMs?: number | undefined;
}

/** The interval at which busy connections are checked. */
const CHECK_EVERY_MS = 20;

/** Ends each connection when its turn has come, and either nothing runs for it or `graceMs` is over. */
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
    await new Promise<void>((resolve) => clock.after(CHECK_EVERY_MS, resolve));
  }
}
