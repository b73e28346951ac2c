import { validate, type Completion, type Invocation, type StandardSchema } from '@hubline/protocol';
import { EventEmitter } from 'eventemitter3';
import { textOf } from './remote-error.ts';

/** There is a signal if the server waits for the result. */
type Handler = (args: readonly unknown[], signal?: AbortSignal) => unknown;

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
  return Object.assign(receiver, { [CALL]: (args: P, signal: AbortSignal) => handler(signal, ...args) });
}

type ServerCall = Pick<Invocation, 'target' | 'arguments'>;

/** The functions that the server may call. They survive reconnections. */
export interface Receivers {
  /** Adds the methods of an object, inherited ones included. Names ignore case, as in SignalR. Returns a function that removes them. */
  readonly add: (receiver: object) => () => void;
  /** Checks the arguments and calls every receiver of this name, without waiting for one before the next. Reports errors. */
  readonly event: (call: ServerCall) => unknown;
  /**
   * The same for a server that waits for a result. Resolves with the outcome: exactly one receiver must return a value other than
   * `undefined`.
   */
  call(call: ServerCall, signal: AbortSignal): Promise<Pick<Completion, 'result' | 'error'>>;
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
  /** Calls the receivers. Returns their results, as a promise only if there is a schema. Reports errors to `failed`. */
  const start = (
    { target, arguments: args }: ServerCall,
    failed: (error: unknown) => void = report,
    signal?: AbortSignal,
  ): readonly unknown[] | Promise<readonly unknown[]> => {
    const name = target.toLowerCase();
    const called = handlers.listeners(name) as Handler[];
    if (called.length === 0) missing(target, handlers);
    const run = (checked: unknown): readonly unknown[] =>
      called.map((handler) => {
        try {
          const result = handler(checked as readonly unknown[], signal);
          // Without a promise for each event a client receives events in a quarter of the time.
          return typeof result === 'object' ? Promise.resolve(result).catch(failed) : result;
        } catch (thrown) {
          return failed(thrown);
        }
      });
    const schema = schemasByName.get(name);
    if (!schema) return run(args);
    return (async () => {
      const checked = validate(schema, args, { code: 'invalid_arguments', method: target });
      // Awaited only if the schema is asynchronous, so that other events keep their order.
      return run(checked instanceof Promise ? await checked : checked);
    })().catch((thrown: unknown) => [failed(thrown)]);
  };
  return {
    add(receiver) {
      const methods = methodsOf(receiver);
      methods.forEach((handler, name) => handlers.on(name, handler));
      return () => methods.forEach((handler, name) => handlers.removeListener(name, handler));
    },
    event: start,
    async call(called, signal) {
      let error = "Client didn't provide a result.";
      const failed = (thrown: unknown): void => {
        error = textOf(thrown);
        report(thrown);
      };
      const results = (await Promise.all(await start(called, failed, signal))).filter((result) => result !== undefined);
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
      const call = (handler as { readonly [CALL]?: Handler })[CALL];
      table.set(key, (args, signal) => (signal && call ? call(args, signal) : (Reflect.apply(handler, receiver, args) as unknown)));
    }
  }
  return table;
}
