import type { Completion } from '@hubline/protocol';
import { textOf } from './remote-error.ts';

type Handler = (...args: readonly unknown[]) => unknown;
export type Report = (error: unknown) => void;

/** What the server may call. They stay when the connection is lost and comes back. */
export class Receivers {
  readonly #tables = new Set<ReadonlyMap<string, Handler>>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Adds what an object has of its own, without case as SignalR matches names. Returns its undo. */
  add(receiver: object): () => void {
    const table = new Map<string, Handler>();
    for (const [name, handler] of Object.entries(receiver)) {
      if (typeof handler === 'function') table.set(name.toLowerCase(), (handler as Handler).bind(receiver));
    }
    this.#tables.add(table);
    return () => void this.#tables.delete(table);
  }

  /**
   * Calls every receiver of this name in turn, without waiting for one before the next. What they throw is reported.
   * The answer is for callers who want one: exactly one receiver gives it, and `undefined` is none.
   */
  async call(target: string, args: readonly unknown[]): Promise<Pick<Completion, 'result' | 'error'>> {
    const results: unknown[] = [];
    let error = "Client didn't provide a result.";
    const running = [...this.#tables].map(async (table) => {
      try {
        const result = await table.get(target.toLowerCase())?.(...args);
        if (result !== undefined) results.push(result);
      } catch (thrown) {
        error = textOf(thrown);
        this.#report(thrown);
      }
    });
    await Promise.all(running);
    if (results.length > 1) return { error: 'Client provided multiple results.' };
    return results.length > 0 ? { result: results[0] } : { error };
  }
}
