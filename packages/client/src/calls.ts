import { Header, HublineError, MessageType, type Completion, type HubMessage, type StreamItem } from '@hubline/protocol';
import { onAbort } from './bounded.ts';
import type { Clock } from './clock.ts';
import { failureOf, textOf } from './remote-error.ts';

export interface CallOptions {
  /** Gives the call up: it rejects `cancelled`, and the server is told where it understands. */
  readonly signal?: AbortSignal | undefined;
  /** The time for the whole call. Default for calls: the connection's `callTimeoutMs`; for streams: no end. */
  readonly timeoutMs?: number | undefined;
}

export interface Call extends CallOptions {
  readonly method: string;
  /** With the streams to upload in any place: on the wire they are apart. */
  readonly args: readonly unknown[];
}

/** What calls need of their session. */
export interface CallPort {
  readonly clock: Clock;
  /** Whether the server knows our extensions: that plain calls can be cancelled, and what credit is. */
  readonly hubline: boolean;
  /** Aborts when the session is over. */
  readonly over: AbortSignal;
  /** @throws HublineError `not_encodable` */
  send(message: HubMessage): void;
  /** Settles when the transport has room for more. */
  whenWritable(over: AbortSignal): Promise<void>;
  report(error: unknown): void;
}

type CallType = typeof MessageType.Invocation | typeof MessageType.StreamInvocation;

interface Opening {
  readonly type: CallType;
  item?(item: unknown): void;
  done(error?: HublineError, result?: unknown): void;
}

/** How many items a server may send ahead of the consumer. */
const WINDOW = 64;

/** Calls that were sent and not yet answered, over one session. The one owner of call and stream ids. */
export class Calls {
  readonly #port: CallPort;
  readonly #pending = new Map<string, Pick<Opening, 'item'> & { readonly method: string; finish: Opening['done'] }>();
  #nextId = 0;

  constructor(port: CallPort) {
    this.#port = port;
  }

  /** @throws HublineError `not_encodable`, `cancelled` */
  send(call: Call): void {
    const { over } = this.#port;
    this.#write(call, { over: call.signal ? AbortSignal.any([over, call.signal]) : over });
  }

  invoke(call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#open(call, { type: MessageType.Invocation, done: (error, result) => (error ? reject(error) : resolve(result)) });
    });
  }

  /** Sends the call when the first item is asked for; leaving the loop cancels it. */
  async *stream(call: Call): AsyncGenerator<unknown, void, undefined> {
    const items: unknown[] = [];
    let ended = false;
    let failure: HublineError | undefined;
    let wake = (): void => {};
    const { id, giveUp } = this.#open(call, {
      type: MessageType.StreamInvocation,
      item(item) {
        items.push(item);
        wake();
      },
      done(error) {
        ended = true;
        failure = error;
        // Who gives up wants no more; who is cut off still gets what had arrived.
        if (error?.code === 'cancelled') items.length = 0;
        wake();
      },
    });
    try {
      for (let taken = 0; ;) {
        if (items.length > 0) {
          yield items.shift();
          if (++taken % (WINDOW / 2) === 0 && !ended && this.#port.hubline) {
            this.#port.send({ type: MessageType.Credit, invocationId: id, credit: WINDOW / 2 });
          }
        } else if (ended) {
          if (failure) throw failure;
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    } finally {
      giveUp(cancelled(call.method));
    }
  }

  /** What the server says about a call. Nobody waits for calls that are over. */
  take(message: StreamItem | Completion): void {
    const call = this.#pending.get(message.invocationId);
    if (message.type === MessageType.StreamItem) call?.item?.(message.item);
    else call?.finish(failureOf(message), message.result);
  }

  /** The session is over: nobody may wait for ever. */
  failAll(cause: Error | undefined): void {
    for (const { method, finish } of this.#pending.values()) {
      finish(new HublineError('connection_lost', `The connection ended before '${method}' was answered.`, { method }, { cause }));
    }
  }

  #open(call: Call, { type, item, done }: Opening): { readonly id: string; giveUp(error: HublineError): void } {
    const { method, signal, timeoutMs = Infinity } = call;
    const over = new AbortController();
    const id = this.#write(call, { type, over: over.signal });
    const finish: Opening['done'] = (error, result) => {
      if (!this.#pending.delete(id)) return;
      undoTimer?.();
      undoAbort?.();
      over.abort();
      done(error, result);
    };
    const giveUp = (error: HublineError): void => {
      if (!this.#pending.has(id)) return;
      // Only a Hubline server knows that a call can be cancelled which is not a stream.
      if (item || this.#port.hubline) this.#port.send({ type: MessageType.CancelInvocation, invocationId: id });
      finish(error);
    };
    this.#pending.set(id, { method, finish, ...(item && { item }) });
    const undoTimer =
      timeoutMs < Infinity ?
        this.#port.clock.after(timeoutMs, () =>
          giveUp(new HublineError('call_timeout', `'${method}' was not answered in ${timeoutMs} ms.`, { method, timeoutMs })),
        )
      : undefined;
    const undoAbort = signal && onAbort(signal, (reason) => giveUp(cancelled(method, reason)));
    return { id, giveUp };
  }

  /** Sends a call, and begins its uploads; without a type nobody waits for an answer. Returns its id. */
  #write({ method, args, signal }: Call, { type, over }: { readonly type?: CallType; readonly over: AbortSignal }): string {
    if (signal?.aborted) throw cancelled(method, signal.reason);
    const nextId = (): string => String(this.#nextId++);
    const uploads = args.filter(isStream).map((source) => ({ source, id: nextId() }));
    const id = type ? nextId() : '';
    this.#port.send({
      type: type ?? MessageType.Invocation,
      ...(type === MessageType.StreamInvocation && this.#port.hubline && { headers: { [Header.credit]: String(WINDOW) } }),
      ...(id && { invocationId: id }),
      target: method,
      arguments: args.filter((arg) => !isStream(arg)),
      ...(uploads.length > 0 && { streamIds: uploads.map((upload) => upload.id) }),
    } as HubMessage);
    for (const { source, id } of uploads) void this.#upload(source, { id, over });
    return id;
  }

  /** Sends what a stream gives until it ends, or nobody wants it any more. Always ends with a completion. */
  async #upload(
    source: AsyncIterable<unknown>,
    { id: invocationId, over }: { readonly id: string; readonly over: AbortSignal },
  ): Promise<void> {
    let items: AsyncIterator<unknown> | undefined;
    let error: string | undefined = 'The upload was given up.';
    let leave = (): void => {};
    const undo = onAbort(over, () => leave());
    try {
      items = source[Symbol.asyncIterator]();
      while (!over.aborted) {
        const next = await new Promise<IteratorResult<unknown> | void>((resolve, reject) => {
          leave = resolve;
          items!.next().then(resolve, reject);
        });
        if (next?.done) {
          items = error = undefined;
          break;
        }
        if (next) {
          this.#port.send({ type: MessageType.StreamItem, invocationId, item: next.value ?? null });
          await this.#port.whenWritable(over);
        }
      }
    } catch (thrown) {
      error = textOf(thrown);
      this.#port.report(thrown);
    }
    undo();
    this.#port.send({ type: MessageType.Completion, invocationId, ...(error && { error }) });
    try {
      await items?.return?.();
    } catch (thrown) {
      this.#port.report(thrown);
    }
  }
}

const isStream = (arg: unknown): arg is AsyncIterable<unknown> => typeof arg === 'object' && arg !== null && Symbol.asyncIterator in arg;

const cancelled = (method: string, cause?: unknown): HublineError =>
  new HublineError('cancelled', `The call of '${method}' was given up.`, { method }, { cause });
