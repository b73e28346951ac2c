import { check, valueOf, type Checked, type Completion, type StandardSchema } from '@hubline/protocol';
import { textOf } from './remote-error.ts';

type Handler = (signal: AbortSignal, args: readonly unknown[]) => unknown;

const cancellables = new WeakMap<object, (...args: never[]) => unknown>();

/**
 * A receiver that is told when its answer is not wanted any more: the server's question was cancelled or timed out, or the connection
 * ended. For an event the signal is never aborted.
 *
 *     receiver: { confirm: withSignal((signal, question) => dialog.ask(question, { signal })) }
 */
export function withSignal<P extends readonly unknown[], T>(handler: (signal: AbortSignal, ...args: P) => T): (...args: P) => T {
  const receiver = (...args: P): T => handler(new AbortController().signal, ...args);
  cancellables.set(receiver, handler);
  return receiver;
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
  /** No receiver has this name; these are the names that there are. */
  readonly missing: (target: string, names: readonly string[]) => void;
}

export function createReceivers({ args: schemas, report, missing }: ReceiversOptions): Receivers {
  const tables = new Set<ReadonlyMap<string, Handler>>();
  const schemasByName = new Map(Object.entries(schemas).map(([name, schema]) => [name.toLowerCase(), schema]));
  return {
    add(receiver) {
      const table = methodsOf(receiver);
      tables.add(table);
      return () => void tables.delete(table);
    },
    async call(target, args, signal) {
      const name = target.toLowerCase();
      const handlers = [...tables].flatMap((table) => table.get(name) ?? []);
      if (handlers.length === 0)
        missing(
          target,
          [...tables].flatMap((table) => [...table.keys()]),
        );
      const results: unknown[] = [];
      let error = "Client didn't provide a result.";
      let checked = args;
      try {
        // Awaited only where it must be: events keep their order beside those that have no schema.
        const pending = argumentsOf(schemasByName.get(name), target, args);
        checked = pending instanceof Promise ? await pending : pending;
      } catch (thrown) {
        report(thrown);
        return { error: textOf(thrown) };
      }
      await Promise.all(
        handlers.map(async (handler) => {
          try {
            const result = await handler(signal, checked);
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

type Arguments = readonly unknown[];

/** The output of the schema, at once unless the schema is asynchronous. @throws HublineError `invalid_arguments` */
function argumentsOf(schema: StandardSchema | undefined, method: string, args: Arguments): Arguments | Promise<Arguments> {
  if (!schema) return args;
  const taken = (checked: Checked<unknown>): Arguments => valueOf(checked, { code: 'invalid_arguments', method }) as Arguments;
  const checked = check(schema, args);
  return checked instanceof Promise ? checked.then(taken) : taken(checked);
}

/** By name in lower case. An instance of a class has its methods in its prototypes. */
function methodsOf(receiver: object): ReadonlyMap<string, Handler> {
  const table = new Map<string, Handler>();
  for (let each: object | null = receiver; each && each !== Object.prototype; each = Object.getPrototypeOf(each) as object | null) {
    for (const name of Object.getOwnPropertyNames(each)) {
      const handler = (receiver as Readonly<Record<string, unknown>>)[name];
      const key = name.toLowerCase();
      if (typeof handler !== 'function' || key === 'constructor' || table.has(key)) continue;
      const cancellable = cancellables.get(handler);
      table.set(key, (signal, args) =>
        cancellable ? Reflect.apply(cancellable, receiver, [signal, ...args]) : Reflect.apply(handler, receiver, args),
      );
    }
  }
  return table;
}
