import { validate, type Completion, type StandardSchema } from '@hubline/protocol';
import { EventEmitter } from 'eventemitter3';
import { textOf } from './remote-error.ts';

type Handler = (signal: AbortSignal, args: readonly unknown[]) => unknown;

/** How a receiver of `withSignal` is called. */
const CALL = Symbol('call');

/**
 * A receiver that is told when its answer is not wanted any more: the server's question was cancelled or timed out, or the connection
 * ended. For an event the signal is never aborted.
 *
 *     receiver: { confirm: withSignal((signal, question) => dialog.ask(question, { signal })) }
 */
export function withSignal<P extends readonly unknown[], T>(handler: (signal: AbortSignal, ...args: P) => T): (...args: P) => T {
  const receiver = (...args: P): T => handler(new AbortController().signal, ...args);
  return Object.assign(receiver, { [CALL]: (signal: AbortSignal, args: P) => handler(signal, ...args) });
}

/** What the server may call. It stays when the connection is lost and comes back. */
export interface Receivers {
  /** Adds the methods of an object, its own and inherited ones, without case as SignalR matches names. Returns its undo. */
  readonly add: (receiver: object) => () => void;
  /**
   * Checks the arguments, and calls every receiver of this name in turn, without waiting for one before the next. Errors are reported.
   * The answer is for callers who want one: exactly one receiver gives it, and `undefined` is none.
   */
  call(target: string, args: readonly unknown[], signal: AbortSignal): Promise<Pick<Completion, 'result' | 'error'>>;
}

export interface ReceiversOptions {
  /** Schemas of the arguments, by the receiver's name. */
  readonly args: Readonly<Record<string, StandardSchema | undefined>>;
  readonly report: (error: unknown) => void;
  /** No receiver has this name; these are the receivers that there are. */
  readonly missing: (target: string, receivers: Pick<EventEmitter<string>, 'eventNames'>) => void;
}

export function createReceivers({ args: schemas, report, missing }: ReceiversOptions): Receivers {
  const handlers = new EventEmitter<Record<string, Parameters<Handler>>>();
  const schemasByName = new Map(Object.entries(schemas).map(([name, schema]) => [name.toLowerCase(), schema]));
  return {
    add(receiver) {
      const methods = methodsOf(receiver);
      methods.forEach((handler, name) => handlers.on(name, handler));
      return () => methods.forEach((handler, name) => handlers.off(name, handler));
    },
    async call(target, args, signal) {
      const name = target.toLowerCase();
      const called = handlers.listeners(name) as Handler[];
      if (called.length === 0) missing(target, handlers);
      const results: unknown[] = [];
      let error = "Client didn't provide a result.";
      const failed = (thrown: unknown): void => {
        error = textOf(thrown);
        report(thrown);
      };
      try {
        const schema = schemasByName.get(name);
        let checked: unknown = schema ? validate(schema, args, { code: 'invalid_arguments', method: target }) : args;
        // Awaited only where it must be: events keep their order beside those that have no schema.
        if (checked instanceof Promise) checked = await checked;
        const calls = called.map(async (handler) => {
          const result = await handler(signal, checked as readonly unknown[]);
          if (result !== undefined) results.push(result);
        });
        await Promise.all(calls.map((call) => call.catch(failed)));
      } catch (thrown) {
        failed(thrown);
      }
      if (results.length > 1) error = 'Client provided multiple results.';
      return results.length === 1 ? { result: results[0] } : { error };
    },
  };
}

/** By name in lower case. An instance of a class has its methods in its prototypes. */
function methodsOf(receiver: object): ReadonlyMap<string, Handler> {
  const table = new Map<string, Handler>();
  for (let each: object | null = receiver; each && each !== Object.prototype; each = Object.getPrototypeOf(each) as object | null) {
    for (const name of Object.getOwnPropertyNames(each)) {
      const handler = (receiver as Readonly<Record<string, unknown>>)[name];
      const key = name.toLowerCase();
      if (typeof handler !== 'function' || key === 'constructor' || table.has(key)) continue;
      table.set(key, (handler as { [CALL]?: Handler })[CALL] ?? ((_signal, args) => Reflect.apply(handler, receiver, args) as unknown));
    }
  }
  return table;
}
