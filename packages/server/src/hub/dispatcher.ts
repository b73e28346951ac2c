import { streamUse, validate, type StandardSchema, type StreamUse } from '@hubline/protocol';
import type { IncomingCall } from '../connection/index.ts';
import {
  badArguments,
  callNeedsCall,
  cancelledBefore,
  failedInvoking,
  failureOf,
  FAILED_STREAMING,
  noStream,
  notAuthorized,
  streamNeedsStream,
  unknownMethod,
  wrongUploads,
} from './failures.ts';

/** A context, as far as dispatching looks at it. */
interface Caller {
  readonly userId: string | undefined;
}

/** The parts of a hub that calls go through, with the contract's types gone: they were checked where the hub was declared. */
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
  readonly report: (method: string, error: unknown) => void;
}

interface Method<C> {
  readonly name: string;
  readonly run: (ctx: C, ...args: readonly unknown[]) => unknown;
  readonly use: StreamUse;
  readonly schema: StandardSchema<never, readonly unknown[]> | undefined;
  readonly authorize: ((ctx: C, ...args: readonly unknown[]) => unknown) | undefined;
}

/** Finds the method that a client names, and brings what it gives back to the client. */
export class Dispatcher<C extends Caller> {
  readonly #methods = new Map<string, Method<C>>();
  readonly #options: DispatcherOptions<C>;

  constructor(options: DispatcherOptions<C>) {
    this.#options = options;
    const { methods, kinds, args, authorize } = options;
    // Own keys only: `constructor` is not a method. Without case, as SignalR matches.
    for (const [name, run] of Object.entries(methods as Readonly<Record<string, Method<C>['run']>>)) {
      this.#methods.set(name.toLowerCase(), {
        name,
        run: run.bind(methods),
        use: streamUse(own(kinds, name)),
        schema: own(args, name) as Method<C>['schema'],
        authorize: own(authorize, name) as Method<C>['authorize'],
      });
    }
  }

  /** Answers the call in every case. Never throws. */
  dispatch(ctx: C, call: IncomingCall): void {
    const { target } = call.message;
    const method = this.#methods.get(target.toLowerCase());
    if (!method) return call.fail(unknownMethod(target));
    const { stream, uploads } = method.use;
    if (stream && !call.isStream) return call.fail(streamNeedsStream(target));
    if (!stream && call.isStream) return call.fail(callNeedsCall(target));
    if (uploads !== call.uploads.length) return call.fail(wrongUploads(target, { sent: call.uploads.length, expected: uploads }));
    if (call.isOver) return stream ? call.complete() : call.fail(cancelledBefore(target));
    void (stream ? this.#stream(ctx, method, call) : this.#call(ctx, method, call));
  }

  async #call(ctx: C, method: Method<C>, call: IncomingCall): Promise<void> {
    try {
      const running = this.#run(ctx, method, call);
      if (method.use.uploads > 0) call.started();
      const result = await running;
      if (result !== REFUSED) call.complete(result);
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
      await pump(result, call);
      call.complete();
    } catch (error) {
      this.#fail(method, call, { error, text });
    }
  }

  /** Guards, then the method inside its middleware. */
  async #run(ctx: C, method: Method<C>, call: IncomingCall): Promise<unknown> {
    const { authorize, schema, name, run } = method;
    let args = call.message.arguments;
    if (schema) {
      try {
        args = await validate(schema, args, { code: 'invalid_arguments', method: name });
      } catch (error) {
        call.fail(badArguments(call.message.target, error));
        return REFUSED;
      }
    }
    // After the schema: who may do something is decided about what will be done.
    if (authorize && (await authorize(ctx, ...args)) !== true) {
      call.fail(notAuthorized(call.message.target, ctx.userId === undefined ? 'unauthorized' : 'forbidden'));
      return REFUSED;
    }
    const innermost = (): unknown => run(ctx, ...args, ...call.uploads);
    if (this.#options.use.length === 0) return innermost();
    const chain = this.#options.use.reduceRight<() => Promise<unknown>>(
      (next, middleware) => () => middleware(ctx, { method: name, args }, next),
      async () => innermost(),
    );
    return chain();
  }

  #fail({ name }: Method<C>, call: IncomingCall, { error, text }: { readonly error: unknown; readonly text: string }): void {
    const failure = failureOf(error, text, this.#options.detailedErrors);
    if (failure.code === 'internal' && !call.isOver) this.#options.report(name, error);
    call.fail(failure);
  }
}

/** The client has been told why; there is no result. */
const REFUSED = Symbol('refused');

/** Sends items as fast as the client takes them. When the call is over, the iterator is told at once. */
async function pump(items: AsyncIterable<unknown>, call: IncomingCall): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const leave = (): void => {
    void (async () => iterator.return?.())().catch(() => undefined); // the client has been told all there is to tell
  };
  const stop = (): void => {
    // The completion does not wait: an iterator that waits for something else may take its time to end.
    call.complete();
    leave();
  };
  call.signal.addEventListener('abort', stop);
  try {
    while (!call.isOver) {
      const next = await iterator.next();
      if (next.done) return;
      const room = call.whenRoom();
      if (room) await room;
      if (!call.isOver) call.item(next.value);
    }
    stop();
  } catch (error) {
    leave();
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
