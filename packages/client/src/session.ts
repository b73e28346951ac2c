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
import { cancelled, connectionLost, createCalls, type Calls } from './calls.ts';
import { connect, isPermanent, type Connected } from './connect.ts';
import { refusal } from './refusal.ts';
import { codeOf, textOf } from './remote-error.ts';
import type { ClientSettings } from './settings.ts';
import type { Pipe } from './transport.ts';

/** If a timer fires this late, the page or the machine was suspended. The session then probes the server: messages may wait unread. */
const SUSPENDED_MS = 1_000;
/** How long a Hubline server may take to answer the ping of a probe. */
const PROBE_MS = 3_000;

/** A session whose handshake is done. */
export interface OpenSession extends Connected {
  readonly calls: Calls;
  /** The name of the server's node. Only Hubline servers send it. */
  readonly node?: string | undefined;
  /** Pings the server. If it does not answer within seconds, the session ends. */
  probe(): void;
}

export interface SessionOptions {
  /** Ends the session, with a Close message if it is open. */
  readonly stop: AbortSignal;
  /** Whether the access token must be a new one. */
  readonly fresh: boolean | undefined;
  /** The node to prefer. */
  readonly affinity: Affinity | undefined;
  /** Called when the handshake is done, before any message is handled. */
  opened(open: OpenSession): void;
}

/** The end of a session. There is no cause after `stop`. */
export interface SessionEnd {
  readonly cause: Error | undefined;
  /** Whether the client must not reconnect. */
  readonly final: boolean | undefined;
}

/**
 * Runs one attempt to connect, and its connection until that ends. Resolves with the end; after `stop`, when the transport is closed too.
 * An end with a cause does not wait for the transport: reconnecting must not wait for a dead socket.
 */
export async function runSession(settings: ClientSettings, { stop, fresh, affinity, opened }: SessionOptions): Promise<SessionEnd> {
  const { clock, codec, receivers, report, startTimeoutMs } = settings;
  let { keepAliveMs, serverTimeoutMs } = settings;
  const over = new AbortController();
  const { signal } = over;
  const decoder = codec.decoder({ maxMessageBytes: settings.maxMessageBytes });
  /** Calls of the server that wait for a result, by invocation id. */
  const serverCalls = new Map<string, AbortController>();
  let connected: Connected | undefined;
  /** `signal` closes it. */
  let pipe: Pipe | undefined;
  let calls: Calls | undefined;
  /** Whether the server supports Hubline's extensions. */
  let hubline = false;
  /** The largest message that the server accepts, if it sent that limit. */
  let limitBytes = Infinity;
  let sentAt = 0;
  /** The time at which the session ends if nothing is received. */
  let deadline = 0;
  let probing = false;
  let cancelTimer: (() => void) | undefined;

  const ended = new Promise<SessionEnd>((settle) => onAbort(signal, settle as (reason: unknown) => void));
  const end = (cause?: Error, final?: boolean): void => {
    if (signal.aborted) return;
    over.abort({ cause, final });
    cancelTimer?.();
    calls?.failAll(cause);
    for (const controller of serverCalls.values()) controller.abort(connectionLost(cause));
  };

  /** Sets the one timer of the session: for a step of the attempt, later for the keep-alive. */
  const setTimer = (ms: number, act: () => void): void => {
    cancelTimer?.();
    cancelTimer = clock.after(ms, act);
  };
  const timedOut = (what: string, timeoutMs: number): void =>
    end(new HublineError('timed_out', `${what}: No answer in ${timeoutMs} ms.`, { timeoutMs }));
  const step = (name: string, onTimeout = () => timedOut(name, startTimeoutMs)): void => setTimer(startTimeoutMs, onTimeout);

  const send = (message: HubMessage): void => {
    if (signal.aborted) return;
    const wire = codec.encode(message);
    // Only messages of the application have a caller that can get this error: calls, items and results.
    const isOfApplication = message.type < CANCEL_INVOCATION && !('error' in message);
    const bytes = isOfApplication && wire.length * 3 > limitBytes ? bytesIn(wire) : 0;
    if (bytes > limitBytes) throw tooLarge(limitBytes, bytes);
    pipe?.send(wire);
    sentAt = clock.now();
  };

  /** Sends a hub message and, if the runtime can, a ping of the transport, which is the only one that other SignalR servers answer. */
  const ping = (): void => {
    send({ type: PING });
    pipe?.ping?.();
  };

  /** Schedules the keep-alive: a ping if nothing was sent for `keepAliveMs`, the end of the session if nothing was received in time. */
  const keepAlive = (): void =>
    setTimer(Math.min(deadline, sentAt + keepAliveMs) - clock.now(), () => {
      const lateMs = clock.now() - deadline;
      if (lateMs >= 0) return probing || lateMs < SUSPENDED_MS ? timedOut('ping', serverTimeoutMs) : probe();
      if (clock.now() - sentAt >= keepAliveMs) ping();
      keepAlive();
    });
  const probe = (): void => {
    if (!calls || probing || signal.aborted || pipe!.polls) return;
    probing = true;
    // Other SignalR servers answer no ping message, but send their own every 15 s by default.
    deadline = clock.now() + (hubline || pipe!.ping ? PROBE_MS : (serverTimeoutMs * 2) / 3);
    ping();
    keepAlive();
  };
  /** Extends the deadline: any data shows that the server is alive. */
  const extend = (): void => {
    probing = false;
    deadline = clock.now() + serverTimeoutMs;
    // Chrome throttles the timers of hidden pages to one a minute, but delivers messages at once.
    if (calls && clock.now() - sentAt > keepAliveMs / 2) ping();
  };

  /** Sends the completion of a server's call, unless one was sent already, after a cancellation. */
  const complete = (invocationId: string, outcome: Pick<Completion, 'result' | 'error'>): void => {
    if (!serverCalls.delete(invocationId)) return;
    try {
      send({ type: COMPLETION, invocationId, ...outcome });
    } catch (error) {
      report(error);
      send({ type: COMPLETION, invocationId, error: textOf(error) });
    }
  };
  const answer = (call: Invocation): void => {
    const { invocationId } = call;
    if (!invocationId) return void receivers.event(call);
    const { maxQuestions } = settings;
    const error = `More than ${maxQuestions} questions wait.`;
    if (serverCalls.size >= maxQuestions) return send({ type: COMPLETION, invocationId, error });
    const controller = new AbortController();
    serverCalls.set(invocationId, controller);
    void receivers.call(call, controller.signal).then((outcome) => complete(invocationId, outcome));
  };

  const take = (message: HubMessage): void => {
    if (signal.aborted) return;
    if (message.type === INVOCATION) answer(message);
    if (message.type === STREAM_ITEM || message.type === COMPLETION) calls?.take(message);
    if (message.type === CANCEL_INVOCATION) {
      serverCalls.get(message.invocationId)?.abort(cancelled());
      // The protocol requires a completion also for a cancelled call.
      complete(message.invocationId, { error: 'cancelled' });
    }
    // A Hubline server measures by the Ack whether this client keeps up.
    if (message.type === SEQUENCE && hubline) send({ type: ACK, sequenceId: message.sequenceId });
    if (message.type === CLOSE) {
      const { error, code, reason, allowReconnect } = message;
      end(new HublineError(codeOf(code, 'disconnected'), error || 'Connection closed.', given({ reason })), !allowReconnect);
    }
  };

  const readHandshake = (wire: Wire): Wire => {
    const { error, hubline: version, maxMessageBytes = Infinity, rest, ...place } = readHandshakeResponse(wire);
    if (error) throw refusal(error);
    hubline = !!version;
    limitBytes = maxMessageBytes;
    calls = createCalls(settings, { hubline, over: signal, send, pipe: pipe! });
    keepAlive();
    opened({ ...place, ...connected!, calls, probe });
    return rest;
  };
  const receive = (wire: Wire): void => {
    if (signal.aborted) return;
    extend();
    if (wire.length === 0) return;
    try {
      decoder.push(calls ? wire : readHandshake(wire), take);
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
  connect(settings, { signal, fresh, affinity, step, receive }).then(begin, (error: unknown) => end(asError(error), isPermanent(error)));

  const undo = onAbort(stop, () => {
    if (calls) send({ type: CLOSE });
    end();
  });
  const ending = await ended;
  undo();
  if (!ending.cause) await pipe?.closed;
  return ending;
}

/** Returns the size of a message without its framing: the separator of JSON, the length prefix of MessagePack. */
const bytesIn = (wire: Wire): number =>
  typeof wire === 'string' ? new TextEncoder().encode(wire).length - 1 : wire.length - 1 - wire.findIndex((byte) => byte < 0x80);
