import {
  asError,
  encodeHandshake,
  HandshakeReader,
  Header,
  HUBLINE_VERSION,
  HublineError,
  MessageType,
  parseHandshakeResponse,
  type Affinity,
  type Completion,
  type HubMessage,
  type Invocation,
  type Wire,
} from '@hubline/protocol';
import { createCalls, type Calls } from './calls.ts';
import { connect, isVerdict, type Connected } from './connect.ts';
import { codeOf, textOf } from './remote-error.ts';
import type { Settings } from './settings.ts';
import type { Pipe } from './transport.ts';

/** A timer that fires this late has slept, with a throttled page or the whole machine. What arrived meanwhile is not read yet. */
const LATE_MS = 1_000;
/** How long a Hubline server may take to answer a ping. */
const PROOF_MS = 3_000;

export interface SessionOptions {
  /** Whether the token that was used last may be the reason why it failed. */
  readonly fresh: boolean;
  /** The node to prefer. */
  readonly affinity: Affinity | undefined;
  /** The handshake is done, and calls can be made. Runs before any message is handled. */
  opened(connected: Connected): void;
}

/** Why a session is over. No cause: it was stopped here. */
export interface Ending {
  readonly cause: Error | undefined;
  /** There is no point in coming back. */
  readonly final: boolean | undefined;
}

/** One attempt, and the connection that comes of it. When it is over, nothing of it speaks again. */
export interface Session {
  /** Settles once; after `stop`, when the transport is closed. */
  readonly ended: Promise<Ending>;
  /** Undefined before the handshake, and when the session is over. */
  readonly calls: Calls | undefined;
  /** Asks whether the server is still there: if not, the session ends soon. */
  prove(): void;
  /** Says goodbye, and ends. */
  stop(): void;
}

export function startSession(settings: Settings, { fresh, affinity, opened }: SessionOptions): Session {
  const { clock, codec, receivers, report, keepAliveMs, serverTimeoutMs, startTimeoutMs } = settings;
  const over = new AbortController();
  const { signal } = over;
  const decoder = codec.decoder();
  /** What the server asked this client and waits for. */
  const asked = new Set<string>();
  let handshake: HandshakeReader | undefined = new HandshakeReader();
  /** The pipe is closed by the signal. */
  let pipe: Pipe | undefined;
  let opening: () => void;
  let calls: Calls | undefined;
  /** Whether the server knows our extensions. */
  let hubline = false;
  let sentAt = 0;
  /** When the server has been silent for too long. */
  let deadline = 0;
  let proving = false;
  let undoAlarm: (() => void) | undefined;

  const ended = new Promise<Ending>((settle) => (signal.onabort = () => settle(signal.reason as Ending)));
  const end = (cause?: Error, final?: boolean): void => {
    if (signal.aborted) return;
    over.abort({ cause, final });
    undoAlarm?.();
    calls?.failAll(cause);
  };

  /** A session waits for one thing at a time: a step of the attempt, later the next beat. */
  const alarm = (ms: number, act: () => void): void => {
    undoAlarm?.();
    undoAlarm = clock.after(ms, act);
  };
  const timedOut = (timeoutMs: number): void =>
    end(new HublineError('timed_out', `The server was silent for ${timeoutMs} ms.`, { timeoutMs }));
  const step = (): void => alarm(startTimeoutMs, () => timedOut(startTimeoutMs));

  const send = (message: HubMessage): void => {
    if (signal.aborted) return;
    pipe?.send(codec.encode(message));
    sentAt = clock.now();
  };

  /** Pings when nothing was sent for long; ends when nothing came for too long. */
  const beat = (): void =>
    alarm(Math.min(deadline, sentAt + keepAliveMs) - clock.now(), () => {
      const lateMs = clock.now() - deadline;
      if (lateMs >= 0) return proving || lateMs < LATE_MS ? timedOut(serverTimeoutMs) : prove();
      if (clock.now() - sentAt >= keepAliveMs) send({ type: MessageType.Ping });
      beat();
    });
  const prove = (): void => {
    if (!calls || proving || signal.aborted) return;
    proving = true;
    // A plain SignalR server answers no ping; it sends its own, every 15 s by default.
    deadline = clock.now() + (hubline ? PROOF_MS : (serverTimeoutMs * 2) / 3);
    send({ type: MessageType.Ping });
    beat();
  };
  /** Any data is a sign of life, whatever it says. */
  const heard = (): void => {
    proving = false;
    deadline = clock.now() + serverTimeoutMs;
    // Chrome lets the timers of hidden pages run once a minute, but hands over messages at once.
    if (calls && clock.now() - sentAt > keepAliveMs / 2) send({ type: MessageType.Ping });
  };

  /** Answers once: a call that was cancelled is over, whatever its receiver still gives. */
  const complete = (invocationId: string, outcome: Pick<Completion, 'result' | 'error' | 'headers'>): void => {
    if (asked.has(invocationId)) send({ type: MessageType.Completion, invocationId, ...outcome });
    asked.delete(invocationId);
  };
  const answer = async ({ target, arguments: args, invocationId }: Invocation): Promise<void> => {
    if (invocationId) asked.add(invocationId);
    const outcome = await receivers.call(target, args);
    if (!invocationId) return;
    try {
      complete(invocationId, outcome);
    } catch (error) {
      report(error);
      complete(invocationId, { error: textOf(error) });
    }
  };

  const take = (message: HubMessage): void => {
    if (signal.aborted) return;
    if (message.type === MessageType.Invocation) void answer(message);
    if (message.type === MessageType.StreamItem || message.type === MessageType.Completion) calls?.take(message);
    if (message.type === MessageType.CancelInvocation) {
      complete(message.invocationId, { error: 'cancelled', headers: { [Header.code]: 'cancelled' } });
    }
    if (message.type === MessageType.Close) {
      const { error, code, allowReconnect } = message;
      end(new HublineError(codeOf(code, 'disconnected'), error || 'The server closed the connection.', {}), !allowReconnect);
    }
  };

  const agree = (record: string): void => {
    const { error, hubline: version } = parseHandshakeResponse(record);
    if (error) throw new HublineError('negotiation_failed', error, {});
    handshake = undefined;
    hubline = !!version;
    calls = createCalls(settings, { hubline, over: signal, send, bufferedAmount: () => pipe!.bufferedAmount });
    beat();
    opening();
  };
  const receive = (wire: Wire): void => {
    if (signal.aborted) return;
    heard();
    try {
      if (handshake) {
        const first = handshake.push(wire);
        if (!first) return;
        agree(first.record);
        wire = first.rest;
      }
      decoder.push(wire, take);
    } catch (error) {
      end(asError(error));
    }
  };

  const begin = (connected: Connected): void => {
    pipe = connected.pipe;
    opening = () => opened(connected);
    void pipe.closed.then(({ closeCode, reason }) => {
      end(new HublineError('connection_lost', reason || 'The connection was lost.', closeCode ? { closeCode } : {}));
    });
    if (signal.aborted) return;
    step();
    sentAt = clock.now();
    pipe.send(encodeHandshake({ protocol: codec.name, version: 1, hubline: HUBLINE_VERSION }));
  };
  connect(settings, { signal, fresh, affinity, step, receive }).then(begin, (error: unknown) => end(asError(error), isVerdict(error)));

  return {
    // Whoever stops wants to know when it is over. Whoever comes back does not wait for a dead socket.
    ended: ended.then(async (ending) => {
      if (!ending.cause) await pipe?.closed;
      return ending;
    }),
    get calls() {
      return signal.aborted ? undefined : calls;
    },
    prove,
    stop() {
      if (calls) send({ type: MessageType.Close });
      end();
    },
  };
}
