import {
  ACK,
  asError,
  CANCEL_INVOCATION,
  CLOSE,
  COMPLETION,
  encodeHandshake,
  given,
  HUBLINE_VERSION,
  HublineError,
  INVOCATION,
  PING,
  readHandshakeResponse,
  SEQUENCE,
  STREAM_ITEM,
  tooLarge,
  type Affinity,
  type Completion,
  type HubMessage,
  type Invocation,
  type Wire,
} from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { cancelled, createCalls, lost, type Calls } from './calls.ts';
import { connect, isVerdict, type Connected } from './connect.ts';
import { refusal } from './refusal.ts';
import { codeOf, textOf } from './remote-error.ts';
import type { Settings } from './settings.ts';
import type { Pipe } from './transport.ts';

/** A timer that fires this late has slept, with a throttled page or the whole machine. What arrived meanwhile is not read yet. */
const LATE_MS = 1_000;
/** How long a Hubline server may take to answer a ping. */
const PROOF_MS = 3_000;

/** A session after its handshake. */
export interface Open extends Connected {
  readonly calls: Calls;
  /** Asks whether the server is still there: if not, the session ends soon. */
  prove(): void;
}

export interface SessionOptions {
  /** Says goodbye, and ends. */
  readonly stop: AbortSignal;
  /** Whether the token that was used last may be the reason why it failed. */
  readonly fresh: boolean | undefined;
  /** The node to prefer. */
  readonly affinity: Affinity | undefined;
  /** The handshake is done, and calls can be made. Runs before any message is handled. */
  opened(open: Open): void;
}

/** Why a session is over. No cause: it was stopped here. */
export interface Ending {
  readonly cause: Error | undefined;
  /** There is no point in coming back. */
  readonly final: boolean | undefined;
}

/**
 * One attempt, and the connection that comes of it. When it is over, nothing of it speaks again. Settles then; after
 * `stop` only when the transport is closed, for whoever stops wants to know, and whoever comes back does not wait for a
 * dead socket.
 */
export async function runSession(settings: Settings, { stop, fresh, affinity, opened }: SessionOptions): Promise<Ending> {
  const { clock, codec, receivers, report, startTimeoutMs } = settings;
  let { keepAliveMs, serverTimeoutMs } = settings;
  const over = new AbortController();
  const { signal } = over;
  const decoder = codec.decoder({ maxMessageBytes: settings.maxMessageBytes });
  /** What the server asked this client and waits for. */
  const asked = new Map<string, AbortController>();
  let connected: Connected | undefined;
  /** It is closed by the signal. */
  let pipe: Pipe | undefined;
  let calls: Calls | undefined;
  /** Whether the server knows our extensions. */
  let hubline = false;
  /** The largest message that the server takes, where it says so. */
  let limitBytes = Infinity;
  let sentAt = 0;
  /** When the server has been silent for too long. */
  let deadline = 0;
  let proving = false;
  let undoAlarm: (() => void) | undefined;

  const ended = new Promise<Ending>((settle) => onAbort(signal, settle as (reason: unknown) => void));
  const end = (cause?: Error, final?: boolean): void => {
    if (signal.aborted) return;
    over.abort({ cause, final });
    undoAlarm?.();
    calls?.failAll(cause);
    for (const question of asked.values()) question.abort(lost(cause));
  };

  /** A session waits for one thing at a time: a step of the attempt, later the next beat. */
  const alarm = (ms: number, act: () => void): void => {
    undoAlarm?.();
    undoAlarm = clock.after(ms, act);
  };
  const timedOut = (what: string, timeoutMs: number): void =>
    end(new HublineError('timed_out', `${what}: No answer in ${timeoutMs} ms.`, { timeoutMs }));
  const step = (name: string, late = () => timedOut(name, startTimeoutMs)): void => alarm(startTimeoutMs, late);

  const send = (message: HubMessage): void => {
    if (signal.aborted) return;
    const wire = codec.encode(message);
    // What the connection says by itself has nobody who could be told that it is too large.
    const isOfProgram = 'arguments' in message || 'item' in message || 'result' in message;
    const bytes = isOfProgram && wire.length * 3 > limitBytes ? bytesIn(wire) : 0;
    if (bytes > limitBytes) throw tooLarge(limitBytes, bytes);
    pipe?.send(wire);
    sentAt = clock.now();
  };

  /** Both kinds where the runtime can: a plain SignalR server answers only that of the WebSocket. */
  const ping = (): void => {
    send({ type: PING });
    pipe?.ping?.();
  };

  /** Pings when nothing was sent for long; ends when nothing came for too long. */
  const beat = (): void =>
    alarm(Math.min(deadline, sentAt + keepAliveMs) - clock.now(), () => {
      const lateMs = clock.now() - deadline;
      if (lateMs >= 0) return proving || lateMs < LATE_MS ? timedOut('ping', serverTimeoutMs) : prove();
      if (clock.now() - sentAt >= keepAliveMs) ping();
      beat();
    });
  const prove = (): void => {
    if (!calls || proving || signal.aborted || pipe!.polls) return;
    proving = true;
    // A plain SignalR server answers no ping; it sends its own, every 15 s by default.
    deadline = clock.now() + (hubline || pipe!.ping ? PROOF_MS : (serverTimeoutMs * 2) / 3);
    ping();
    beat();
  };
  /** Any data is a sign of life, whatever it says. */
  const heard = (): void => {
    proving = false;
    deadline = clock.now() + serverTimeoutMs;
    // Chrome lets the timers of hidden pages run once a minute, but hands over messages at once.
    if (calls && clock.now() - sentAt > keepAliveMs / 2) ping();
  };

  /** Answers once: a call that was cancelled is over, whatever its receiver still gives. */
  const complete = (invocationId: string, outcome: Pick<Completion, 'result' | 'error'>): void => {
    if (!asked.delete(invocationId)) return;
    try {
      send({ type: COMPLETION, invocationId, ...outcome });
    } catch (error) {
      report(error);
      send({ type: COMPLETION, invocationId, error: textOf(error) });
    }
  };
  const answer = async ({ target, arguments: args, invocationId }: Invocation): Promise<void> => {
    const question = new AbortController();
    if (invocationId) {
      const { maxQuestions } = settings;
      const error = `More than ${maxQuestions} questions wait.`;
      if (asked.size >= maxQuestions) return send({ type: COMPLETION, invocationId, error });
      asked.set(invocationId, question);
    }
    const outcome = await receivers.call(target, args, question.signal);
    if (invocationId) complete(invocationId, outcome);
  };

  const take = (message: HubMessage): void => {
    if (signal.aborted) return;
    if (message.type === INVOCATION) void answer(message);
    if (message.type === STREAM_ITEM || message.type === COMPLETION) calls?.take(message);
    if (message.type === CANCEL_INVOCATION) {
      asked.get(message.invocationId)?.abort(cancelled());
      // The caller waits no longer, but the server still completes a cancelled call.
      complete(message.invocationId, { error: 'cancelled' });
    }
    // All messages before it are handled: a Hubline server asks whether this client keeps up.
    if (message.type === SEQUENCE && hubline) send({ type: ACK, sequenceId: message.sequenceId });
    if (message.type === CLOSE) {
      const { error, code, reason, allowReconnect } = message;
      end(new HublineError(codeOf(code, 'disconnected'), error || 'Connection closed.', given({ reason })), !allowReconnect);
    }
  };

  const agree = (wire: Wire): Wire => {
    const { error, hubline: version, maxMessageBytes = Infinity, rest } = readHandshakeResponse(wire);
    if (error) throw refusal(error);
    hubline = !!version;
    limitBytes = maxMessageBytes;
    calls = createCalls(settings, { hubline, over: signal, send, pipe: pipe! });
    beat();
    opened({ ...connected!, calls, prove });
    return rest;
  };
  const receive = (wire: Wire): void => {
    if (signal.aborted) return;
    heard();
    if (wire.length === 0) return;
    try {
      decoder.push(calls ? wire : agree(wire), take);
    } catch (error) {
      end(asError(error));
    }
  };

  const begin = (open: Connected): void => {
    connected = open;
    pipe = open.pipe;
    if (pipe.polls) keepAliveMs = serverTimeoutMs = Infinity;
    void pipe.closed.then(({ reason, ...details }) => end(new HublineError('connection_lost', reason || 'Connection lost.', details)));
    if (signal.aborted) return;
    step('handshake');
    sentAt = clock.now();
    pipe.send(encodeHandshake({ protocol: codec.name, version: 1, hubline: HUBLINE_VERSION }));
  };
  connect(settings, { signal, fresh, affinity, step, receive }).then(begin, (error: unknown) => end(asError(error), isVerdict(error)));

  const undo = onAbort(stop, () => {
    if (calls) send({ type: CLOSE });
    end();
  });
  const ending = await ended;
  undo();
  if (!ending.cause) await pipe?.closed;
  return ending;
}

/** Without what frames a message: the separator of JSON, the length of MessagePack. */
const bytesIn = (wire: Wire): number =>
  typeof wire === 'string' ? new TextEncoder().encode(wire).length - 1 : wire.length - 1 - wire.findIndex((byte) => byte < 0x80);
