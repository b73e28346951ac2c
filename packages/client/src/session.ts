import {
  encodeHandshake,
  HandshakeReader,
  Header,
  HublineError,
  HUBLINE_VERSION,
  MessageType,
  parseHandshakeResponse,
  asError,
  type Codec,
  type Completion,
  type Decoder,
  type HandshakeResponse,
  type HubMessage,
  type Invocation,
  type Wire,
} from '@hubline/protocol';
import { onAbort } from './bounded.ts';
import { Calls } from './calls.ts';
import type { Clock } from './clock.ts';
import { startHeartbeat, type Heartbeat } from './heartbeat.ts';
import type { Receivers, Report } from './receivers.ts';
import { codeOf, textOf } from './remote-error.ts';
import type { Pipe } from './transport.ts';

/** How much may wait in the transport before uploads pause. */
const HIGH_WATER_BYTES = 262_144;
/** A WebSocket does not say when it has room again. */
const LOOK_AGAIN_MS = 20;

export interface SessionOptions {
  readonly codec: Codec;
  readonly clock: Clock;
  readonly keepAliveMs: number;
  readonly serverTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly receivers: Receivers;
  readonly report: Report;
  /** The handshake is done: calls may be made. Runs before any message is handled. */
  opened(session: Session): void;
}

/** Why a session is over. No cause: it was stopped here. */
export interface Ending {
  readonly cause?: Error;
  /** The server does not want us back. */
  readonly final?: boolean;
}

/** What two ends say to each other over one pipe, from the handshake on. When it is over, nothing of it speaks again. */
export class Session {
  /** Settles once. */
  readonly ended: Promise<Ending>;
  readonly #options: SessionOptions;
  readonly #over = new AbortController();
  readonly #decoder: Decoder;
  /** What the server asked this client and waits for. */
  readonly #asked = new Set<string>();
  #handshake: HandshakeReader | undefined = new HandshakeReader();
  #pipe: Pipe | undefined;
  #heartbeat: Heartbeat | undefined;
  #calls: Calls | undefined;
  #undoTimer: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#decoder = options.codec.decoder();
    this.ended = new Promise((settle) => onAbort(this.#over.signal, settle as (reason: unknown) => void));
  }

  /** Undefined before the handshake, and when the session is over. */
  get calls(): Calls | undefined {
    return this.#over.signal.aborted ? undefined : this.#calls;
  }

  /** Asks for the hub's protocol. An answer that does not come within `timeoutMs` is an end. */
  begin(pipe: Pipe): void {
    const { codec, clock, startTimeoutMs: timeoutMs } = this.#options;
    this.#pipe = pipe;
    void pipe.closed.then(({ closeCode, reason }) => {
      const text = [closeCode, reason].filter(Boolean).join(' ');
      this.#end({ cause: new HublineError('connection_lost', `The connection was lost (${text}).`, closeCode ? { closeCode } : {}) });
    });
    this.#undoTimer = clock.after(timeoutMs, () => {
      this.#end({ cause: new HublineError('timed_out', `No handshake in ${timeoutMs} ms.`, { timeoutMs }) });
    });
    pipe.send(encodeHandshake({ protocol: codec.name, version: 1, hubline: HUBLINE_VERSION }));
  }

  readonly receive = (wire: Wire): void => {
    this.#heartbeat?.heard();
    try {
      if (this.#handshake) {
        const first = this.#handshake.push(wire);
        if (!first) return;
        this.#handshake = undefined;
        this.#agree(parseHandshakeResponse(first.record));
        wire = first.rest;
      }
      this.#decoder.push(wire, (message) => this.#take(message));
    } catch (error) {
      this.#end({ cause: asError(error) });
    }
  };

  /** Whether the server is still there: if not, the session ends soon. */
  prove(): void {
    this.#heartbeat?.prove();
  }

  /** Says goodbye. */
  stop(): void {
    if (this.#calls) this.#send({ type: MessageType.Close });
    this.#end({});
  }

  #agree({ error, hubline }: HandshakeResponse): void {
    if (error) throw new HublineError('negotiation_failed', `Server returned handshake error: ${error}`, {});
    const { clock, keepAliveMs, serverTimeoutMs, report, opened } = this.#options;
    const send = (message: HubMessage): void => this.#send(message);
    this.#undoTimer?.();
    this.#calls = new Calls({
      clock,
      report,
      send,
      hubline: hubline !== undefined,
      over: this.#over.signal,
      whenWritable: (over) => this.#whenWritable(over),
    });
    this.#heartbeat = startHeartbeat({
      clock,
      keepAliveMs,
      serverTimeoutMs,
      answered: hubline !== undefined,
      ping: () => send({ type: MessageType.Ping }),
      lost: () => {
        const text = 'Server timeout elapsed without receiving a message from the server.';
        this.#end({ cause: new HublineError('timed_out', text, { timeoutMs: serverTimeoutMs }) });
      },
    });
    opened(this);
  }

  #take(message: HubMessage): void {
    if (this.#over.signal.aborted) return;
    switch (message.type) {
      case MessageType.Invocation:
        void this.#answer(message);
        break;
      case MessageType.StreamItem:
      case MessageType.Completion:
        this.#calls?.take(message);
        break;
      case MessageType.CancelInvocation:
        this.#complete(message.invocationId, { error: 'The call was cancelled.', headers: { [Header.code]: 'cancelled' } });
        break;
      case MessageType.Close: {
        const text = message.error ? `Server returned an error on close: ${message.error}` : 'The server closed the connection.';
        this.#end({ cause: new HublineError(codeOf(message.code, 'disconnected'), text, {}), final: message.allowReconnect !== true });
      }
    }
  }

  async #answer({ target, arguments: args, invocationId }: Invocation): Promise<void> {
    if (invocationId) this.#asked.add(invocationId);
    const answer = await this.#options.receivers.call(target, args);
    if (!invocationId) return;
    try {
      this.#complete(invocationId, answer);
    } catch (error) {
      this.#options.report(error);
      this.#complete(invocationId, { error: textOf(error) });
    }
  }

  /** Answers once: a call that was cancelled is over, whatever its receiver still gives. */
  #complete(invocationId: string, answer: Pick<Completion, 'result' | 'error' | 'headers'>): void {
    if (this.#asked.has(invocationId)) this.#send({ type: MessageType.Completion, invocationId, ...answer });
    this.#asked.delete(invocationId);
  }

  #send(message: HubMessage): void {
    if (this.#over.signal.aborted) return;
    this.#pipe?.send(this.#options.codec.encode(message));
    this.#heartbeat?.sent();
  }

  async #whenWritable(over: AbortSignal): Promise<void> {
    while (!over.aborted && this.#pipe && this.#pipe.bufferedAmount > HIGH_WATER_BYTES) {
      await new Promise<void>((resolve) => this.#options.clock.after(LOOK_AGAIN_MS, resolve));
    }
  }

  #end(ending: Ending): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(ending);
    this.#undoTimer?.();
    this.#heartbeat?.stop();
    this.#pipe?.close();
    this.#calls?.failAll(ending.cause);
  }
}
