import {
  codecForPeer,
  encodeHandshake,
  HandshakeReader,
  HUBLINE_VERSION,
  HublineError,
  MessageType,
  asError,
  parseHandshakeRequest,
  type Close,
  type Codec,
  type Decoder,
  type HubMessage,
  type Wire,
} from '@hubline/protocol';
import type { OpeningRequest, Transport, TransportEnd, TransportListener } from '../transports/index.ts';
import { ClientCalls } from './client-calls.ts';
import { closeCode, closeText, ENDINGS, type CloseReason } from './closing.ts';
import type { IncomingCall } from './incoming-call.ts';
import { IncomingCalls, type CallLimits } from './incoming-calls.ts';
import { Backpressure } from './backpressure.ts';
import { Outbox } from './outbox.ts';
import type { Outgoing } from './outgoing.ts';
import type { Turn } from './turn.ts';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Who a connection is, as `authenticate` said. */
export interface Identity {
  readonly userId?: string;
  readonly attributes: Attributes;
}

/** What hangs on connections: the hub. */
export interface ConnectionHandler {
  /** Registers the connection. The client is told that it is connected when this has resolved. */
  opening(connection: Connection): Promise<void>;
  /** The client has been told. Calls wait until this has resolved. @throws whatever `connected` does: the connection ends. */
  opened(connection: Connection): Promise<void>;
  call(connection: Connection, call: IncomingCall): void;
  /** Once, for every connection, also for one whose handshake never came. */
  closed(connection: Connection, reason: CloseReason): void;
}

export interface ConnectionSettings {
  readonly codecs: ReadonlyMap<string, Codec>;
  readonly limits: CallLimits & { readonly maxMessageBytes: number; readonly maxBufferedBytes: number };
  readonly handshakeTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly clientTimeoutMs: number;
  readonly detailedErrors: boolean;
  readonly handler: ConnectionHandler;
  readonly turn: Turn;
}

export interface ConnectionOptions {
  readonly connectionId: string;
  readonly identity: Identity;
  readonly request: OpeningRequest;
  readonly transport: Transport;
  readonly settings: ConnectionSettings;
  readonly since: number;
}

/** A handshake is a line; who sends more is no client. */
const MAX_HANDSHAKE_BYTES = 4096;

/** SignalR's texts. */
const HANDSHAKE_CANCELED = 'Handshake was canceled.';
const HANDSHAKE_FAILED = 'An unexpected error occurred during connection handshake.';

interface Opening {
  readonly name: 'opening';
  readonly codec: Codec;
  /** What the client sent while it was being registered, and what others sent to it. */
  readonly early: Wire[];
  readonly held: Wire[];
  heldBytes: number;
}

type State =
  | { readonly name: 'handshaking'; readonly reader: HandshakeReader }
  | Opening
  | { readonly name: 'open'; readonly codec: Codec; readonly decoder: Decoder }
  | { readonly name: 'closed' };

/** One logical session of a client, from its first byte to its end. It never sees a socket. */
export class Connection implements TransportListener {
  readonly id: string;
  readonly request: OpeningRequest;
  readonly since: number;
  readonly userId: string | undefined;
  readonly calls = new ClientCalls();
  attributes: Attributes;
  readonly #settings: ConnectionSettings;
  readonly #transport: Transport;
  readonly #outbox: Outbox;
  readonly #backpressure: Backpressure;
  readonly #incoming: IncomingCalls;
  #state: State = { name: 'handshaking', reader: new HandshakeReader(MAX_HANDSHAKE_BYTES) };
  #hubline = 0;
  #heard = false;
  /** As in SignalR, only a client that pings is expected to go on pinging. */
  #pings = false;
  #silentMs = 0;
  #idleMs = 0;

  constructor({ connectionId, identity, request, transport, settings, since }: ConnectionOptions) {
    this.id = connectionId;
    this.userId = identity.userId;
    this.attributes = identity.attributes;
    this.request = request;
    this.since = since;
    this.#settings = settings;
    this.#transport = transport;
    const { turn, limits } = settings;
    this.#outbox = new Outbox({ turn, transport, maxBufferedBytes: limits.maxBufferedBytes, overflow: (bytes) => this.#overflow(bytes) });
    this.#backpressure = new Backpressure(transport, () => this.calls.size > 0);
    this.#incoming = new IncomingCalls({
      limits,
      backpressure: this.#backpressure,
      port: { send: (message) => this.#write(message), whenWritable: () => this.#outbox.whenWritable() },
      run: (call) => settings.handler.call(this, call),
      isClosed: () => this.isClosed,
    });
  }

  get isClosed(): boolean {
    return this.#state.name === 'closed';
  }

  /** The protocol that the handshake chose. Undefined before and after. */
  get codec(): Codec | undefined {
    return 'codec' in this.#state ? this.#state.codec : undefined;
  }

  get transportName(): Transport['name'] {
    return this.#transport.name;
  }

  /** Whether the client takes cancellations: others would break at a message that they do not expect. */
  get takesCancel(): boolean {
    return this.#hubline > 0;
  }

  /** Queues a message that many get. @throws HublineError `not_encodable` */
  send(outgoing: Outgoing): void {
    const state = this.#state;
    if (state.name === 'open') this.#outbox.push(outgoing.as(state.codec));
    else if (state.name === 'opening') this.#hold(state, outgoing.as(state.codec));
  }

  /** Asks the client; `settle` is called once, with `undefined` where the client left. @throws HublineError `not_encodable` */
  ask(invocationId: string, outgoing: Outgoing, settle: Parameters<ClientCalls['open']>[1]): void {
    if (this.isClosed) return settle(undefined);
    this.calls.open(invocationId, settle);
    try {
      this.send(outgoing);
    } catch (error) {
      this.calls.forget(invocationId);
      throw error;
    }
    this.#backpressure.update();
  }

  /** The asker has given up. */
  cancelAsked(invocationId: string): void {
    if (!this.calls.forget(invocationId)) return;
    this.#backpressure.update();
    if (this.takesCancel) this.#write({ type: MessageType.CancelInvocation, invocationId });
  }

  receive(chunk: Wire): void {
    this.#heard = true;
    try {
      if (this.#state.name === 'open') this.#state.decoder.push(chunk, this.#dispatch);
      else if (this.#state.name === 'handshaking') this.#handshake(this.#state.reader.push(chunk));
      else if (this.#state.name === 'opening') this.#state.early.push(chunk);
    } catch (error) {
      const reason = { code: 'protocol', error: asError(error) } as const;
      if (this.#state.name === 'handshaking') this.#refuse(isTooLarge(error) ? HANDSHAKE_CANCELED : HANDSHAKE_FAILED, reason);
      else this.close(reason);
    }
  }

  closed({ code, error }: TransportEnd): void {
    // These are goodbyes too: a page that is left closes its socket without a word of ours, and often without a code (1005).
    const orderly = code === 1000 || code === 1001 || code === 1005;
    if (code === 1002 && error) return this.#end({ code: 'protocol', error });
    this.#end({ code: orderly ? 'normal' : 'network', ...(error ? { error } : {}) });
  }

  /** Says goodbye and closes. Idempotent. */
  close(reason: CloseReason): void {
    if (this.isClosed) return;
    const { goodbye, webSocketCode } = ENDINGS[reason.code];
    if (this.#state.name === 'open' && goodbye) this.#write(this.#goodbye(reason, goodbye.allowReconnect));
    this.#end(reason);
    if (goodbye) this.#transport.close(webSocketCode, '');
    else this.#transport.destroy();
  }

  /** Called at every beat of the heartbeat. Time that the process slept through is nobody's silence, so beats are counted. */
  beat(ms: number): void {
    this.#transport.beat(ms);
    this.#silentMs = this.#heard || this.#backpressure.paused || this.#incoming.busy ? 0 : this.#silentMs + ms;
    this.#heard = false;
    this.#idleMs = this.#outbox.wrote ? 0 : this.#idleMs + ms;
    this.#outbox.wrote = false;
    const { handshakeTimeoutMs, clientTimeoutMs, keepAliveMs } = this.#settings;
    if (this.#state.name === 'open') {
      if (this.#transport.inherentKeepAlive) return;
      if (this.#pings && this.#silentMs >= clientTimeoutMs) this.#timeOut(clientTimeoutMs);
      else if (this.#idleMs >= keepAliveMs) this.#write({ type: MessageType.Ping });
    } else if (this.#state.name === 'handshaking' && this.#idleMs >= handshakeTimeoutMs) {
      this.#refuse(HANDSHAKE_CANCELED, { code: 'timeout', error: timedOut('There was no handshake', handshakeTimeoutMs) });
    }
  }

  #handshake(read: ReturnType<HandshakeReader['push']>): void {
    if (!read) return;
    const { protocol, version, hubline = 0 } = parseHandshakeRequest(read.record);
    const { codecs } = this.#settings;
    const codec = codecs.get(protocol) ?? codecs.get(protocol.toLowerCase()); // ASP.NET Core finds them without case
    if (!codec) return this.#refuse(`The protocol '${protocol}' is not supported.`);
    if (version > codec.version || version < 1)
      return this.#refuse(`The server does not support version ${version} of the '${protocol}' protocol.`);
    if (codec.format === 'binary' && !this.#transport.carriesBytes) {
      return this.#refuse(
        `Cannot use the '${protocol}' protocol on the current transport. The transport does not support 'Binary' transfer format.`,
      );
    }
    this.#transport.format = codec.format;
    this.#hubline = hubline;
    const state: Opening = {
      name: 'opening',
      codec: codecForPeer(codec, hubline),
      early: read.rest.length > 0 ? [read.rest] : [],
      held: [],
      heldBytes: 0,
    };
    this.#state = state;
    this.#backpressure.hold(); // what has arrived already is kept, what follows stays with the client
    void this.#open(state);
  }

  async #open({ codec, early, held }: Opening): Promise<void> {
    const { handler, limits } = this.#settings;
    try {
      await handler.opening(this);
      if (this.isClosed) return;
      this.#outbox.push(encodeHandshake(this.#hubline > 0 ? { hubline: HUBLINE_VERSION } : {}));
      this.#state = { name: 'open', codec, decoder: codec.decoder({ maxMessageBytes: limits.maxMessageBytes }) };
      for (const wire of held) this.#outbox.push(wire);
      for (const chunk of early) this.receive(chunk);
      this.#backpressure.release();
      if (this.isClosed) return;
      await handler.opened(this);
      this.#incoming.begin();
    } catch (error) {
      if (this.#state.name === 'opening') this.#refuse(HANDSHAKE_FAILED, { code: 'failed', error: asError(error) });
      else this.close({ code: 'failed', error: asError(error) });
    }
  }

  #refuse(text: string, reason: CloseReason = { code: 'protocol', error: new HublineError('negotiation_failed', text, {}) }): void {
    if (this.isClosed) return;
    this.#outbox.push(encodeHandshake({ error: text }));
    this.close(reason);
  }

  readonly #dispatch = (message: HubMessage): void => {
    if (this.isClosed) return; // the rest of the chunk that ended it
    switch (message.type) {
      case MessageType.Invocation:
      case MessageType.StreamInvocation:
        return this.#incoming.arrive(message);
      case MessageType.StreamItem:
        return this.#incoming.item(message);
      case MessageType.Completion:
        if (!this.#incoming.endUpload(message)) this.calls.settle(message);
        return this.#backpressure.update();
      case MessageType.CancelInvocation:
        return this.#incoming.cancel(message.invocationId);
      case MessageType.Credit:
        return this.#incoming.grant(message.invocationId, message.credit);
      case MessageType.Ping:
        this.#pings = true;
        if (this.#hubline > 0) this.#write(message); // it may ask whether its socket still lives
        return;
      case MessageType.Close:
        this.#end({ code: 'normal', ...(message.error ? { error: new HublineError('hub_error', message.error, {}) } : {}) });
        return this.#transport.close(1000, '');
      case MessageType.Ack:
      case MessageType.Sequence:
        return; // stateful reconnect is not negotiated, so they mean nothing
    }
  };

  /** A backplane may take its time to register a client, and others send to it meanwhile. */
  #hold(opening: Opening, wire: Wire): void {
    if (opening.heldBytes > this.#settings.limits.maxBufferedBytes) return this.#overflow(opening.heldBytes);
    opening.held.push(wire);
    opening.heldBytes += typeof wire === 'string' ? Buffer.byteLength(wire) : wire.length;
  }

  /** @throws HublineError `not_encodable` */
  #write(message: HubMessage): void {
    if (this.#state.name === 'open') this.#outbox.push(this.#state.codec.encode(message));
  }

  #goodbye(reason: CloseReason, allowReconnect: boolean): Close {
    const text = closeText(reason, this.#settings.detailedErrors);
    const code = closeCode(reason);
    return { type: MessageType.Close, ...(text ? { error: text } : {}), allowReconnect, ...(code ? { code } : {}) };
  }

  #overflow(bufferedBytes: number): void {
    const limitBytes = this.#settings.limits.maxBufferedBytes;
    const text = `The client left ${bufferedBytes} bytes untaken; ${limitBytes} are allowed.`;
    this.close({ code: 'slow_consumer', error: new HublineError('slow_consumer', text, { bufferedBytes, limitBytes }) });
  }

  #timeOut(timeoutMs: number): void {
    this.close({ code: 'timeout', error: timedOut('The client was silent', timeoutMs) });
  }

  /** The only way into `closed`. */
  #end(reason: CloseReason): void {
    if (this.isClosed) return;
    this.#state = { name: 'closed' };
    this.#outbox.close();
    this.#incoming.close(new HublineError('connection_lost', 'The client has disconnected.', {}));
    this.calls.close();
    this.#settings.handler.closed(this, reason);
  }
}

const isTooLarge = (error: unknown): boolean => error instanceof HublineError && error.code === 'message_too_large';

function timedOut(what: string, timeoutMs: number): HublineError<'timed_out'> {
  return new HublineError('timed_out', `${what} for ${timeoutMs} ms.`, { timeoutMs });
}
