import { Header, HublineError, MessageType, type Completion, type HubMessage, type StreamItem } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { failureOf, textOf } from './remote-error.ts';
import type { Settings } from './settings.ts';

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
  /** What the caller gets for a result or an item: what its schema makes of it. */
  check(value: unknown): unknown;
}

/** What calls need of their session. */
export interface CallPort {
  /** Whether the server knows our extensions: that plain calls can be cancelled, and what credit is. */
  readonly hubline: boolean;
  /** Aborts when the session is over. */
  readonly over: AbortSignal;
  /** @throws HublineError `not_encodable` */
  send(message: HubMessage): void;
  /** Bytes that wait in the transport. */
  bufferedAmount(): number;
}

/** Calls that were sent and not yet answered, over one session. The one owner of call and stream ids. */
export interface Calls {
  /** @throws HublineError `not_encodable`, `cancelled` */
  send(call: Call): void;
  invoke(call: Call): Promise<unknown>;
  /** Sends the call when the first item is asked for; leaving the loop cancels it. */
  stream(call: Call): AsyncGenerator<unknown, void, undefined>;
  /** What the server says about a call. Nobody waits for calls that are over. */
  take(message: StreamItem | Completion): void;
  /** The session is over: nobody may wait for ever. */
  failAll(cause: Error | undefined): void;
}

/** Hears what is said about one call, or nothing any more: the session is over. */
type Listener = (said: StreamItem | Completion | undefined, cause?: Error) => void;
type Settle = (error?: HublineError | null, result?: unknown) => void;

/** How many items a server may send ahead of the consumer, and how many are taken before it is told. */
const WINDOW = 64;
const BATCH = WINDOW / 2;
/** How much may wait in the transport before uploads pause. */
const HIGH_WATER_BYTES = 1_048_576;
/** A WebSocket does not say when it has room again. */
const LOOK_AGAIN_MS = 10;

export function createCalls({ clock, report }: Settings, { hubline, over: sessionOver, send, bufferedAmount }: CallPort): Calls {
  const pending = new Map<string, Listener>();
  let nextId = 0;
  const newId = (): string => String(nextId++);

  /**
   * Sends a call, and begins its uploads. Gives its id, without which nobody waits for an answer, and what ends the uploads: an
   * AbortController would cost every call as much as all the rest.
   */
  const write = ({ method, args, signal }: Call, type?: 1 | 4): readonly [id: string | undefined, stops: readonly (() => void)[]] => {
    if (sessionOver.aborted) throw lost(method);
    if (signal?.aborted) throw cancelled(method, signal.reason);
    const sources = args.filter(isStream);
    const streamIds = sources.map(newId);
    const invocationId = type && newId();
    send({
      type: type ?? MessageType.Invocation,
      headers: hubline && type === MessageType.StreamInvocation ? { [Header.credit]: String(WINDOW) } : undefined,
      invocationId,
      target: method,
      arguments: args.filter((arg) => !isStream(arg)),
      streamIds: sources[0] && streamIds,
    } as HubMessage);
    return [invocationId, sources.map((source, i) => upload(source, streamIds[i]!))];
  };

  /** Sends what a stream gives until it ends, or nobody wants it any more. Always ends with a completion. Returns its end. */
  const upload = (source: AsyncIterable<unknown>, invocationId: string): (() => void) => {
    let over: boolean | undefined;
    const complete = (error?: string): void => {
      if (!over) send({ type: MessageType.Completion, invocationId, error } as Completion);
      over = true;
      undo();
    };
    const undo = onAbort(sessionOver, () => complete('cancelled'));
    void (async () => {
      try {
        for await (const item of source) {
          if (over) return;
          send({ type: MessageType.StreamItem, invocationId, item: item ?? null });
          while (!over && bufferedAmount() > HIGH_WATER_BYTES) {
            await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve));
          }
        }
        complete();
      } catch (thrown) {
        complete(textOf(thrown));
        report(thrown);
      }
    })();
    return () => complete('cancelled');
  };

  /** A call with an `item` is a stream. */
  const open = (
    call: Call,
    settle: Settle,
    item?: (item: unknown) => void,
  ): readonly [id: string, giveUp: (error: HublineError) => void] => {
    const { method, signal, timeoutMs = Infinity } = call;
    const [id, stops] = write(call, item ? MessageType.StreamInvocation : MessageType.Invocation) as [string, (() => void)[]];
    const done: Settle = (error, result) => {
      if (!pending.delete(id)) return;
      undoTimer();
      undoAbort?.();
      for (const stop of stops) stop();
      settle(error, result);
    };
    const giveUp = (error: HublineError): void => {
      // Only a Hubline server knows that a call can be cancelled which is not a stream.
      if (pending.has(id) && (item || hubline)) send({ type: MessageType.CancelInvocation, invocationId: id });
      done(error);
    };
    pending.set(id, (said, cause) => {
      if (!said) done(lost(method, cause));
      else if (said.type === MessageType.StreamItem) item?.(said.item);
      else done(failureOf(said), said.result);
    });
    const undoTimer = clock.after(timeoutMs, () =>
      giveUp(new HublineError('call_timeout', `No answer in ${timeoutMs} ms.`, { method, timeoutMs })),
    );
    const undoAbort = signal && onAbort(signal, (reason) => giveUp(cancelled(method, reason)));
    return [id, giveUp];
  };

  return {
    send: (call) => void write(call),

    invoke: (call) =>
      new Promise((resolve, reject) => {
        open(call, (error, result) => (error ? reject(error) : resolve(call.check(result))));
      }),

    async *stream(call) {
      const items: unknown[] = [];
      /** How it ended: null is well. */
      let end: HublineError | null | undefined;
      let wake = (): void => {};
      const [id, giveUp] = open(
        call,
        (error = null) => {
          end = error;
          // Who gives up wants no more; who is cut off still gets what had arrived.
          if (error?.code === 'cancelled') items.length = 0;
          wake();
        },
        (item) => {
          items.push(item);
          wake();
        },
      );
      try {
        for (let taken = 1; ;) {
          if (items.length > 0) {
            yield call.check(items.shift());
            if (taken++ % BATCH === 0 && hubline && end === undefined) send({ type: MessageType.Credit, invocationId: id, credit: BATCH });
          } else if (end) {
            throw end;
          } else if (end === null) {
            return;
          } else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        giveUp(cancelled(call.method));
      }
    },

    take: (message) => pending.get(message.invocationId)?.(message),

    failAll(cause) {
      for (const hear of pending.values()) hear(undefined, cause);
    },
  };
}

const isStream = (arg: unknown): arg is AsyncIterable<unknown> => !!(arg as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator];

/** Nothing is queued for a connection that may never come. */
export const lost = (method: string, cause?: Error): HublineError =>
  new HublineError('connection_lost', 'Not connected.', { method }, { cause });

const cancelled = (method: string, cause?: unknown): HublineError => new HublineError('cancelled', 'Cancelled.', { method }, { cause });
