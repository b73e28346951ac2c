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
import { errorOf, textOf } from './remote-error.ts';
import type { ClientSettings } from './settings.ts';
import type { StreamCall, StreamOptions } from './stream.ts';
import type { Pipe } from './transport.ts';

export interface CallOptions {
  /** Cancels the call, which rejects with `cancelled`. A Hubline server gets a cancel for every call, other servers for streams only. */
  readonly signal?: AbortSignal | undefined;
  /** The time limit of the whole call. Default for calls: the connection's `callTimeoutMs`; for streams: none. */
  readonly timeoutMs?: number | undefined;
  /**
   * How many items of a stream a Hubline server may send ahead of the consumer. Default 64. With a small window a slow consumer gets
   * more recent items.
   */
  readonly window?: number | undefined;
}

export interface Call extends CallOptions {
  readonly method: string;
  /** Includes the streams to upload, at any position; the wire carries them apart from the other arguments. */
  readonly args: readonly unknown[];
}

/** The part of a session that its calls use. */
export interface CallTransport {
  /** Whether the server supports Hubline's extensions: the cancellation of calls, and credit for streams. */
  readonly hubline: boolean;
  /** Aborts when the session ends. */
  readonly over: AbortSignal;
  /** @throws HublineError `not_encodable` */
  send(message: HubMessage): void;
  readonly pipe: Pipe;
}

/** The pending calls of one session. Assigns the ids of calls and streams. */
export interface Calls {
  /** @throws HublineError `not_encodable`, `message_too_large`, `cancelled` */
  send(call: Call): void;
  invoke(call: Call): Promise<unknown>;
  /** Sends the call of a stream: see `createStream`. */
  stream(call: Call, ...callbacks: Parameters<StreamOptions['open']>): StreamCall;
  /** Handles a message of the server about a call. Messages about calls that have ended are ignored. */
  take(message: StreamItem | Completion): void;
  /** Rejects every pending call, when the session ends. */
  failAll(cause: Error | undefined): void;
}

/** Handles the messages about one call; undefined means that the session ended. */
type Listener = (message: StreamItem | Completion | undefined, cause?: Error) => void;
type Settle = (error?: HublineError | null, result?: unknown) => void;

/** The default of `window`. */
const WINDOW = 64;
/** How many items may wait for the consumer if the server does not support credit. */
const MAX_ITEMS = 65_536;
/** Uploads pause while more bytes wait in the transport. */
const HIGH_WATER_BYTES = 1_048_576;
/** A WebSocket has no event for a drained buffer, so a paused upload polls. */
const POLL_MS = 10;

export function createCalls({ clock, report }: ClientSettings, { hubline, over: sessionEnded, send, pipe }: CallTransport): Calls {
  /** An object: the entries of a Map, which come and go with every call, leave tables to the garbage collector. A call cost 20 % more. */
  const pending = Object.create(null) as Record<string, Listener>;
  let nextId = 0;
  const newId = (): string => String(nextId++);

  /**
   * Sends a call, and starts its uploads; calls `failed` when an upload fails. Returns the id, if the call expects a result, and the
   * functions that stop the uploads. An AbortController would double the cost of each call.
   */
  const write = (
    { method, args, signal, window = WINDOW }: Call,
    type?: 1 | 4,
    failed: (error: HublineError) => void = report,
  ): readonly [id: string | undefined, stops: readonly (() => void)[]] => {
    if (sessionEnded.aborted) throw connectionLost(undefined, method);
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

  /** Sends the items of a source until it ends or is stopped, and then a completion. Returns a function that stops the upload. */
  const upload = (source: AsyncIterable<unknown>, invocationId: string, failed: (error: unknown) => void): (() => void) => {
    let iterator: AsyncIterator<unknown> | undefined;
    let over = false;
    const end = (error?: string): void => {
      if (over) return;
      over = true;
      undo();
      send({ type: COMPLETION, invocationId, error } as Completion);
      // Without this call the source would run until its next item.
      if (error) (async () => iterator?.return?.())().catch(report);
    };
    const stop = (): void => end('cancelled');
    const undo = onAbort(sessionEnded, stop);
    void (async () => {
      await Promise.resolve(); // the call is sent before its source can throw
      try {
        if (over) return;
        iterator = source[Symbol.asyncIterator]();
        for (;;) {
          const { done, value } = (await iterator.next()) as IteratorResult<unknown, unknown>;
          if (over) return;
          if (done) return end();
          send({ type: STREAM_ITEM, invocationId, item: value ?? null });
          while (!over && pipe.bufferedAmount > HIGH_WATER_BYTES) {
            await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
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

  /** Sends a call and waits for its completion. With `item` it is a stream. */
  const open = (
    call: Call,
    settle: Settle,
    item?: (item: unknown) => void,
  ): readonly [id: string, cancel: (error: HublineError) => void] => {
    const { method, signal, timeoutMs = Infinity } = call;
    const type = item ? STREAM_INVOCATION : INVOCATION;
    // An upload fails later, when `cancel` is assigned.
    const [id, stops] = write(call, type, (error) => cancel(error)) as [string, (() => void)[]];
    const done: Settle = (error, result) => {
      if (!pending[id]) return;
      delete pending[id];
      undoTimer();
      undoAbort();
      for (const stop of stops) stop();
      settle(error, result);
    };
    const cancel = (error: HublineError): void => {
      // SignalR servers cancel streams only.
      if (pending[id] && (item || hubline)) send({ type: CANCEL_INVOCATION, invocationId: id });
      done(error);
    };
    pending[id] = (message, cause) => {
      if (!message) done(connectionLost(cause, method));
      else if (message.type === STREAM_ITEM) item?.(message.item);
      else done(errorOf(message), message.result);
    };
    const undoTimer = clock.after(timeoutMs, () =>
      cancel(new HublineError('call_timeout', `No answer in ${timeoutMs} ms.`, { method, timeoutMs })),
    );
    const undoAbort = onAbort(signal, (reason) => cancel(cancelled(reason, method)));
    return [id, cancel];
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
      const [invocationId, cancel] = open(
        call,
        (error = null) => ended(error),
        (each) => {
          if (++waiting > max) cancel(new HublineError('limit_exceeded', `More than ${max} items wait.`, { limit: 'window', max }));
          else item(each);
        },
      );
      return {
        took() {
          waiting--;
          if (++taken % batch === 0 && hubline && pending[invocationId]) send({ type: CREDIT, invocationId, credit: batch });
        },
        cancel: () => cancel(cancelled(undefined, method)),
      };
    },

    take: (message) => pending[message.invocationId]?.(message),

    failAll(cause) {
      for (const listener of Object.values(pending)) listener(undefined, cause);
    },
  };
}

const isStream = (arg: unknown): arg is AsyncIterable<unknown> => !!(arg as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator];

/** The error of calls whose connection ended, or without a connection: calls are not queued. */
export const connectionLost = (cause?: Error, method?: string): HublineError => {
  const text = cause ? `Connection lost: ${cause.message}` : 'Not connected.';
  return new HublineError('connection_lost', text, given({ method }), { cause });
};

export const cancelled = (cause?: unknown, method?: string): HublineError =>
  new HublineError('cancelled', 'Cancelled.', given({ method }), { cause });

/** Returns the error of an upload. A `HublineError`, such as `not_encodable`, stays as it is; any other error was thrown by the source. */
const uploadFailed = (method: string, cause: unknown): HublineError =>
  isHublineError(cause) ? cause : new HublineError('upload_failed', textOf(cause), { method }, { cause });
