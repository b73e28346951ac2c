import { validate, type Completion, type StandardSchema } from '@hubline/protocol';
import { EventEmitter } from 'eventemitter3';
import { textOf } from './remote-error.ts';

type Handler = (signal: AbortSignal, args: readonly unknown[]) => unknown;

/** The function of a receiver made by `withSignal`, which takes the signal too. */
const CALL = Symbol('call');

/**
 * Creates a receiver that gets a signal, which aborts when the server does not wait for the result any more: the call was cancelled or
 * timed out, or the connection ended. For an event the signal never aborts.
 *
 *     receiver: { confirm: withSignal((signal, question) => dialog.ask(question, { signal })) }
 */
export function withSignal<P extends readonly unknown[], T>(handler: (signal: AbortSignal, ...args: P) => T): (...args: P) => T {
  const receiver = (...args: P): T => handler(new AbortController().signal, ...args);
  return Object.assign(receiver, { [CALL]: (signal: AbortSignal, args: P) => handler(signal, ...args) });
}

/** The functions that the server may call. They survive reconnections. */
export interface Receivers {
  /** Adds the methods of an object, inherited ones included. Names ignore case, as in SignalR. Returns a function that removes them. */
  readonly add: (receiver: object) => () => void;
  /**
   * Checks the arguments and calls every receiver of this name, without waiting for one before the next. Reports errors. Returns the
   * outcome for a server that waits for a result: exactly one receiver must return a value other than `undefined`.
   */
  call(target: string, args: readonly unknown[], signal: AbortSignal): Promise<Pick<Completion, 'result' | 'error'>>;
}

export interface ReceiversOptions {
  /** Schemas of the arguments, by the name of the receiver. */
  readonly args: Readonly<Record<string, StandardSchema | undefined>>;
  readonly report: (error: unknown) => void;
  /** Called if no receiver has the name `target`. `receivers` has the names that exist. */
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
        // Awaited only if the schema is asynchronous, so that other events keep their order.
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

/** The methods of an object and of its prototypes, by their names in lower case. */
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
