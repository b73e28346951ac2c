import {
  CANCEL_INVOCATION,
  COMPLETION,
  CREDIT,
  CREDIT_HEADER,
  given,
  HublineError,
  INVOCATION,
  isHublineError,
  STREAM_INVOCATION,
  STREAM_ITEM,
  type Completion,
  type HubMessage,
  type StreamItem,
} from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { failureOf, textOf } from './remote-error.ts';
import type { Settings } from './settings.ts';
import type { StreamCall, StreamOptions } from './stream.ts';
import type { Pipe } from './transport.ts';

export interface CallOptions {
  /** Gives the call up: it rejects `cancelled`, and the server is told where it understands. */
  readonly signal?: AbortSignal | undefined;
  /** The time for the whole call. Default for calls: the connection's `callTimeoutMs`; for streams: no end. */
  readonly timeoutMs?: number | undefined;
  /**
   * How many items of a stream a Hubline server may send ahead of the consumer. Default 64. A small window keeps a slow consumer close
   * to the present.
   */
  readonly window?: number | undefined;
}

export interface Call extends CallOptions {
  readonly method: string;
  /** With the streams to upload in any place: on the wire they are apart. */
  readonly args: readonly unknown[];
}

/** What calls need of their session. */
export interface CallPort {
  /** Whether the server knows our extensions: that plain calls can be cancelled, and what credit is. */
  readonly hubline: boolean;
  /** Aborts when the session is over. */
  readonly over: AbortSignal;
  /** @throws HublineError `not_encodable` */
  send(message: HubMessage): void;
  readonly pipe: Pipe;
}

/** Calls that were sent and not yet answered, over one session. The one owner of call and stream ids. */
export interface Calls {
  /** @throws HublineError `not_encodable`, `message_too_large`, `cancelled` */
  send(call: Call): void;
  invoke(call: Call): Promise<unknown>;
  /** Sends the call of a stream: see `createStream`. */
  stream(call: Call, ...heard: Parameters<StreamOptions['open']>): StreamCall;
  /** Takes a message of the server about a call. Calls that are over have no listener. */
  take(message: StreamItem | Completion): void;
  /** Ends every call: the session is over. */
  failAll(cause: Error | undefined): void;
}

/** Hears the messages about one call; undefined: the session is over. */
type Listener = (said: StreamItem | Completion | undefined, cause?: Error) => void;
type Settle = (error?: HublineError | null, result?: unknown) => void;

/** How many items a server may send ahead of the consumer. */
const WINDOW = 64;
/** Items of a server without credit that the consumer has not taken. */
const MAX_ITEMS = 65_536;
/** How much may wait in the transport before uploads pause. */
const HIGH_WATER_BYTES = 1_048_576;
/** A WebSocket does not say when it has room again. */
const LOOK_AGAIN_MS = 10;

export function createCalls({ clock, report }: Settings, { hubline, over: sessionOver, send, pipe }: CallPort): Calls {
  const pending = new Map<string, Listener>();
  let nextId = 0;
  const newId = (): string => String(nextId++);

  /**
   * Sends a call, and begins its uploads; `failed` hears of an upload that fails. Gives the id, without which there is no answer, and
   * what ends the uploads: an AbortController would cost every call as much as all the rest.
   */
  const write = (
    { method, args, signal, window = WINDOW }: Call,
    type?: 1 | 4,
    failed: (error: HublineError) => void = report,
  ): readonly [id: string | undefined, stops: readonly (() => void)[]] => {
    if (sessionOver.aborted) throw lost(undefined, method);
    if (signal?.aborted) throw cancelled(signal.reason, method);
    const sources = args.filter(isStream);
    const streamIds = sources.map(newId);
    const invocationId = type && newId();
    send({
      type: type ?? INVOCATION,
      headers: hubline && type === STREAM_INVOCATION ? { [CREDIT_HEADER]: String(window) } : undefined,
      invocationId,
      target: method,
      arguments: args.filter((arg) => !isStream(arg)),
      streamIds: sources[0] && streamIds,
    } as HubMessage);
    return [invocationId, sources.map((source, i) => upload(source, streamIds[i]!, (error) => failed(uploadFailed(method, error))))];
  };

  /** Sends what a source gives until it ends, or is not wanted any more. Always ends with a completion. Returns its end. */
  const upload = (source: AsyncIterable<unknown>, invocationId: string, failed: (error: unknown) => void): (() => void) => {
    let iterator: AsyncIterator<unknown> | undefined;
    let over = false;
    const end = (error?: string): void => {
      if (over) return;
      over = true;
      undo();
      send({ type: COMPLETION, invocationId, error } as Completion);
      // The source learns at once that it is left, and not with its next item.
      if (error) (async () => iterator?.return?.())().catch(report);
    };
    const stop = (): void => end('cancelled');
    const undo = onAbort(sessionOver, stop);
    void (async () => {
      await Promise.resolve(); // a source that throws at once finds the call sent
      try {
        if (over) return;
        iterator = source[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = (await iterator.next()) as IteratorResult<unknown, unknown>;
          if (over) return;
          if (done) return end();
          send({ type: STREAM_ITEM, invocationId, item: value ?? null });
          while (!over && pipe.bufferedAmount > HIGH_WATER_BYTES) {
            await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve));
          }
        }
      } catch (thrown) {
        if (over) return report(thrown);
        end(textOf(thrown));
        failed(thrown);
      }
    })();
    return stop;
  };

  /** A call with an `item` is a stream. */
  const open = (
    call: Call,
    settle: Settle,
    item?: (item: unknown) => void,
  ): readonly [id: string, giveUp: (error: HublineError) => void] => {
    const { method, signal, timeoutMs = Infinity } = call;
    const type = item ? STREAM_INVOCATION : INVOCATION;
    // What fails later than at once: the call has its id by then.
    const [id, stops] = write(call, type, (error) => giveUp(error)) as [string, (() => void)[]];
    const done: Settle = (error, result) => {
      if (!pending.delete(id)) return;
      undoTimer();
      undoAbort();
      for (const stop of stops) stop();
      settle(error, result);
    };
    const giveUp = (error: HublineError): void => {
      // Only a Hubline server knows that a call can be cancelled which is not a stream.
      if (pending.has(id) && (item || hubline)) send({ type: CANCEL_INVOCATION, invocationId: id });
      done(error);
    };
    pending.set(id, (said, cause) => {
      if (!said) done(lost(cause, method));
      else if (said.type === STREAM_ITEM) item?.(said.item);
      else done(failureOf(said), said.result);
    });
    const undoTimer = clock.after(timeoutMs, () =>
      giveUp(new HublineError('call_timeout', `No answer in ${timeoutMs} ms.`, { method, timeoutMs })),
    );
    const undoAbort = onAbort(signal, (reason) => giveUp(cancelled(reason, method)));
    return [id, giveUp];
  };

  return {
    send: (call) => void write(call),

    invoke: (call) =>
      new Promise((resolve, reject) => {
        open(call, (error, result) => (error ? reject(error) : resolve(result)));
      }),

    stream(call, item, ended) {
      const { method, window = WINDOW } = call;
      const batch = Math.ceil(window / 2);
      const max = hubline ? window : MAX_ITEMS;
      let waiting = 0;
      let taken = 0;
      const [invocationId, giveUp] = open(
        call,
        (error = null) => ended(error),
        (each) => {
          if (++waiting > max) giveUp(new HublineError('limit_exceeded', `More than ${max} items wait.`, { limit: 'window', max }));
          else item(each);
        },
      );
      return {
        took() {
          waiting--;
          if (++taken % batch === 0 && hubline && pending.has(invocationId)) send({ type: CREDIT, invocationId, credit: batch });
        },
        giveUp: () => giveUp(cancelled(undefined, method)),
      };
    },

    take: (message) => pending.get(message.invocationId)?.(message),

    failAll(cause) {
      for (const hear of pending.values()) hear(undefined, cause);
    },
  };
}

const isStream = (arg: unknown): arg is AsyncIterable<unknown> => !!(arg as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator];

/** Nothing is queued for a connection that may never come. */
export const lost = (cause?: Error, method?: string): HublineError => {
  const text = cause ? `Connection lost: ${cause.message}` : 'Not connected.';
  return new HublineError('connection_lost', text, given({ method }), { cause });
};

export const cancelled = (cause?: unknown, method?: string): HublineError =>
  new HublineError('cancelled', 'Cancelled.', given({ method }), { cause });

/** An item that cannot be sent says so itself; whatever else a source throws is the program's own error. */
const uploadFailed = (method: string, cause: unknown): HublineError =>
  isHublineError(cause) ? cause : new HublineError('upload_failed', textOf(cause), { method }, { cause });
