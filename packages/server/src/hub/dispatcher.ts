import {
  check,
  checkFunctions,
  checkKnown,
  invalidOption,
  isHublineError,
  methodKind,
  type MethodKind,
  type StandardSchema,
} from '@hubline/protocol';
import type { IncomingCall } from '../connection/index.ts';
import {
  badArguments,
  callNeedsCall,
  cannotAnswer,
  cancelledBefore,
  failedInvoking,
  failureOf,
  FAILED_STREAMING,
  noStream,
  notAuthorized,
  refusalOf,
  streamNeedsStream,
  unknownMethod,
  wrongCount,
  wrongUploads,
} from './failures.ts';
import type { Operations } from './operation.ts';

/** The part of a context that the dispatcher uses. */
interface Caller {
  readonly userId: string | undefined;
}

/** The options of a hub that calls need, without the contract's types, which the compiler has checked. */
export interface DispatcherOptions<C extends Caller> {
  readonly methods: object;
  readonly kinds: object;
  readonly args: object;
  readonly authorize: object;
  readonly use: readonly ((
    ctx: C,
    call: { readonly method: string; readonly args: readonly unknown[] },
    next: () => Promise<unknown>,
  ) => Promise<unknown>)[];
  readonly detailedErrors: boolean;
  readonly operations: Operations;
  readonly report: (stage: string, error: unknown) => void;
}

interface Method<C> {
  readonly name: string;
  readonly run: (ctx: C, ...args: readonly unknown[]) => unknown;
  readonly kind: MethodKind;
  readonly schema: StandardSchema<never, readonly unknown[]> | undefined;
  readonly authorize: ((ctx: C, ...args: readonly unknown[]) => unknown) | undefined;
}

/** Dispatches a client's call to the method that it names, and sends the result or the items of the stream. */
export class Dispatcher<C extends Caller> {
  /** By name, and by name in lower case. */
  readonly #methods = new Map<string, Method<C>>();
  readonly #options: DispatcherOptions<C>;

  constructor(options: DispatcherOptions<C>) {
    this.#options = options;
    const { methods, kinds, args, authorize } = options;
    const functions = methodsOf<Method<C>['run']>(methods);
    const names = [...functions.keys()];
    // A check or a schema with a misspelt name would never run.
    const named = names.length > 0 ? { kinds, args, authorize } : {}; // a hub without methods only sends
    for (const [within, given] of Object.entries(named)) checkKnown(given, names, { within, fault: 'names no method' });
    checkFunctions(Object.fromEntries(Object.entries(authorize).map(([name, check]) => [`authorize.${name}`, check as unknown])));
    for (const [name, run] of functions) {
      const method: Method<C> = {
        name,
        run,
        kind: methodKind(own(kinds, name)),
        schema: own(args, name) as Method<C>['schema'],
        authorize: own(authorize, name) as Method<C>['authorize'],
      };
      this.#methods.set(name, method);
      this.#methods.set(name.toLowerCase(), method); // SignalR ignores case
    }
  }

  /** The number of streams that the method of this name takes. */
  uploadsOf(target: string): number {
    return this.#find(target)?.kind.uploads ?? 0;
  }

  #find(target: string): Method<C> | undefined {
    return this.#methods.get(target) ?? this.#methods.get(target.toLowerCase());
  }

  /** Answers the call in every case. Never throws. */
  dispatch(ctx: C, call: IncomingCall): void {
    const { target } = call.message;
    const method = this.#find(target);
    if (!method) return call.fail(unknownMethod(target));
    const { stream, uploads, args } = method.kind;
    if (stream && !call.isStream) return call.fail(streamNeedsStream(target));
    if (!stream && call.isStream) return call.fail(callNeedsCall(target));
    if (uploads !== call.sentUploads) return call.fail(wrongUploads(target, { sent: call.sentUploads, expected: uploads }));
    if (call.message.unbound) return call.fail(badArguments(target, ['arguments: Expected a list.']));
    const count = call.message.arguments.length;
    if (args && (count < args[0] || count > args[1])) return call.fail(badArguments(target, [wrongCount(count, args)]));
    if (call.isOver) return stream ? call.complete() : call.fail(cancelledBefore(target));
    void (stream ? this.#stream(ctx, method, call) : this.#call(ctx, method, call));
  }

  async #call(ctx: C, method: Method<C>, call: IncomingCall): Promise<void> {
    try {
      const running = this.#run(ctx, method, call);
      if (method.kind.uploads > 0) call.started();
      const result = await running;
      if (result === REFUSED) return;
      try {
        call.complete(result);
      } catch (error) {
        this.#refuseAnswer(method, call, { error, text: failedInvoking(call.message.target) });
      }
    } catch (error) {
      this.#fail(method, call, { error, text: failedInvoking(call.message.target) });
    }
  }

  async #stream(ctx: C, method: Method<C>, call: IncomingCall): Promise<void> {
    const { target } = call.message;
    let text = failedInvoking(target);
    try {
      const result = await this.#run(ctx, method, call);
      if (result === REFUSED) return;
      if (!isAsyncIterable(result)) return call.fail(noStream(target));
      call.started();
      text = FAILED_STREAMING;
      await sendItems(result, call, (item) => {
        try {
          call.item(item);
        } catch (error) {
          this.#refuseAnswer(method, call, { error, text });
        }
      });
      call.complete();
    } catch (error) {
      this.#fail(method, call, { error, text });
    }
  }

  /** Runs the method. Most have no checks and no middleware, and need no promises besides their own. */
  #run(ctx: C, method: Method<C>, call: IncomingCall): unknown {
    const isPlain = !method.schema && !method.authorize && this.#options.use.length === 0;
    return isPlain ? method.run(ctx, ...call.message.arguments, ...call.uploads) : this.#runChecked(ctx, method, call);
  }

  /** Runs the checks of the call, then the method inside its middleware. */
  async #runChecked(ctx: C, method: Method<C>, call: IncomingCall): Promise<unknown> {
    const { authorize, schema, name, run } = method;
    let args = call.message.arguments;
    if (schema) {
      const checked = await check(schema, args);
      if ('issues' in checked) {
        call.fail(badArguments(call.message.target, checked.issues));
        return REFUSED;
      }
      args = checked.value;
    }
    // After the schema: `authorize` decides on the arguments that the method will get.
    if (authorize && (await authorize(ctx, ...args)) !== true) {
      call.fail(notAuthorized(call.message.target, ctx.userId === undefined ? 'unauthorized' : 'forbidden'));
      return REFUSED;
    }
    const innermost = (): unknown => run(ctx, ...args, ...call.uploads);
    if (this.#options.use.length === 0) return innermost();
    const chain = this.#options.use.reduceRight<() => Promise<unknown>>(
      (next, middleware) => () => this.#step(name, () => middleware(ctx, { method: name, args }, next)),
      () => this.#step(name, async () => innermost()),
    );
    return chain();
  }

  /** Middleware may forget to await `next()`. */
  #step(name: string, run: () => Promise<unknown>): Promise<unknown> {
    return this.#options.operations(stageOf(name), run);
  }

  /** Fails a call whose answer the protocol of the caller cannot encode. Any other error of the answer is thrown on. */
  #refuseAnswer({ name }: Method<C>, call: IncomingCall, { error, text }: { readonly error: unknown; readonly text: string }): void {
    if (!isHublineError(error) || error.code !== 'not_encodable') throw error;
    this.#options.report(stageOf(name), error);
    call.fail(cannotAnswer(error, text));
  }

  #fail({ name }: Method<C>, call: IncomingCall, { error, text }: { readonly error: unknown; readonly text: string }): void {
    // `ctx.signal.throwIfAborted()` throws the reason of the cancellation.
    const isCancelled = call.isOver && error === call.signal.reason && isHublineError(error);
    const failure = isCancelled ? refusalOf(error, text) : failureOf(error, text, this.#options.detailedErrors);
    if (failure.code === 'internal' && !call.isOver) this.#options.report(stageOf(name), error);
    call.fail(failure);
  }
}

/**
 * Returns the methods of an object or of an instance of a class, inherited ones included, bound to it. Leaves out those that every object
 * has, such as `constructor` and `toString`. @throws HublineError `invalid_option`
 */
function methodsOf<F extends (...args: never) => unknown>(object: object): ReadonlyMap<string, F> {
  if (typeof object !== 'object' || object === null) throw invalidOption('methods', 'must be an object');
  const functions = new Map<string, F>();
  for (let each: object | null = object; each && each !== Object.prototype; each = Object.getPrototypeOf(each) as object | null) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(each))) {
      if (name in Object.prototype || functions.has(name)) continue;
      const value: unknown = each === object ? (object as Readonly<Record<string, unknown>>)[name] : descriptor.value;
      if (typeof value === 'function') functions.set(name, value.bind(object) as F);
      else if (isPlain(object)) throw invalidOption(`methods.${name}`, 'must be a function');
    }
  }
  return functions;
}

/** True for an object literal. The instance of a class may have fields that are no methods. */
function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object) as unknown;
  return prototype === Object.prototype || prototype === null;
}

const stageOf = (method: string): string => `call of ${method}`;

/** The result of a call that was refused: the client has its error already. */
const REFUSED = Symbol('refused');

/** Sends items as fast as the client takes them. When the call is over, the iterator is closed at once. */
async function sendItems(items: AsyncIterable<unknown>, call: IncomingCall, send: (item: unknown) => void): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const closeIterator = (): void => {
    void (async () => iterator.return?.())().catch(() => undefined); // an error while the iterator closes changes nothing for the client
  };
  const stop = (): void => {
    // Completed first: the iterator may wait for something else before it closes.
    call.complete();
    closeIterator();
  };
  call.signal.addEventListener('abort', stop);
  try {
    while (!call.isOver) {
      const next = await iterator.next();
      if (next.done) return;
      const room = call.whenRoom();
      if (room) await room;
      if (!call.isOver) send(next.value);
    }
    stop();
  } catch (error) {
    closeIterator();
    throw error;
  } finally {
    call.signal.removeEventListener('abort', stop);
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function own(record: object, name: string): unknown {
  return Object.hasOwn(record, name) ? (record as Readonly<Record<string, unknown>>)[name] : undefined;
}
