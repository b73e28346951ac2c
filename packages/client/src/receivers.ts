import type { Completion } from '@hubline/protocol';
import { textOf } from './remote-error.ts';

type Handler = (...args: readonly unknown[]) => unknown;

/** What the server may call. It stays when the connection is lost and comes back. */
export interface Receivers {
  /** Adds what an object has of its own, without case as SignalR matches names. Returns its undo. */
  readonly add: (receiver: object) => () => void;
  /**
   * Calls every receiver of this name in turn, without waiting for one before the next. What they throw is reported.
   * The answer is for callers who want one: exactly one receiver gives it, and `undefined` is none.
   */
  call(target: string, args: readonly unknown[]): Promise<Pick<Completion, 'result' | 'error'>>;
}

export function createReceivers(report: (error: unknown) => void): Receivers {
  const tables = new Set<ReadonlyMap<string, Handler | undefined>>();
  return {
    add(receiver) {
      const table = new Map<string, Handler | undefined>();
      for (const [name, handler] of Object.entries(receiver)) {
        table.set(name.toLowerCase(), (handler as Handler | undefined)?.bind(receiver));
      }
      tables.add(table);
      return () => void tables.delete(table);
    },
    async call(target, args) {
      const results: unknown[] = [];
      let error = "Client didn't provide a result.";
      await Promise.all(
        [...tables].map(async (table) => {
          try {
            const result = await table.get(target.toLowerCase())?.(...args);
            if (result !== undefined) results.push(result);
          } catch (thrown) {
            error = textOf(thrown);
            report(thrown);
          }
        }),
      );
      if (results.length > 1) error = 'Client provided multiple results.';
      return results.length === 1 ? { result: results[0] } : { error };
    },
  };
}
