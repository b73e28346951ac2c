import {
  codecForPeer,
  encodeHandshake,
  HandshakeReader,
  HublineError,
  MessageType,
  type Codec,
  type Decoder,
  type HubMessage,
  type Wire,
} from '@hubline/protocol';
import type { OpeningRequest, Transport, TransportEnd, TransportListener } from '../transports/index.ts';
import { ClientCalls } from './client-calls.ts';
import type { Clock } from './clock.ts';
import {
  protocolErrorReason,
  openingErrorReason,
  closeMessageOf,
  isProtocolError,
  leftReason,
  ENDINGS,
  type CloseReason,
  timedOut,
  transportEndReason,
} from './closing.ts';
import type { IncomingCall } from './incoming-call.ts';
import { IncomingCalls, type CallingConnection, type CallLimits } from './incoming-calls.ts';
import { acceptanceOf, answerHandshake } from './handshake.ts';
import type { Attributes, Identity } from './identity.ts';
import { InputQueue, type InputConsumer, type InputLimits } from './input-queue.ts';
import { Outbox } from './outbox.ts';
import type { OutgoingMessage } from './outgoing-message.ts';
import type { ConnectionTimeouts } from './timeouts.ts';
import type { Turn } from './turn.ts';
import { AckProbe } from './ack-probe.ts';

/** Handles the events of connections: a hub. */
export interface ConnectionHandler {
  /** Registers the connection. The client gets the handshake response when this has resolved. */
  opening(connection: Connection): Promise<void>;
  /** Runs `connected`, after the handshake response. Calls wait until this has resolved. If it rejects, the connection ends. */
  opened(connection: Connection): Promise<void>;
  /** The number of streams that a call of this method uploads. */
  uploadsOf(target: string): number;
  call(connection: Connection, call: IncomingCall): void;
  /** Called once for every connection, also for one without a handshake. */
  closed(connection: Connection, reason: CloseReason): void;
}

export interface ConnectionSettings {
  readonly nodeId: string;
  readonly codecs: ReadonlyMap<string, Codec>;
  readonly limits: CallLimits & InputLimits & { readonly maxMessageBytes: number; readonly maxBufferedBytes: number };
  readonly timeouts: ConnectionTimeouts;
  readonly clock: Clock;
  readonly detailedErrors: boolean;
  readonly handler: ConnectionHandler;
  readonly turn: Turn;
}

/** The client and the transport of a new connection. */
export interface ConnectionOpening {
  readonly connectionId: string;
  readonly identity: Identity;
  readonly request: OpeningRequest;
  readonly transport: Transport;
}

export interface ConnectionOptions extends ConnectionOpening {
  readonly settings: ConnectionSettings;
  readonly connectedAt: number;
}

/** RFC 6455, 7.4.1. */
const NORMAL_CLOSURE = 1000;
/** The largest handshake, which is a single line. */
const MAX_HANDSHAKE_BYTES = 4096;

/** SignalR's texts. */
const HANDSHAKE_CANCELED = 'Handshake was canceled.';
const HANDSHAKE_FAILED = 'An unexpected error occurred during connection handshake.';

interface Opening {
  readonly name: 'opening';
  readonly codec: Codec;
  /** Messages for the client that arrived while it was being registered. */
  readonly held: Wire[];
  heldBytes: number;
}

type State =
  | { readonly name: 'handshaking'; readonly reader: HandshakeReader }
  | Opening
  | { readonly name: 'open'; readonly codec: Codec; readonly decoder: Decoder }
  | { readonly name: 'closed' };

/** One connection of a hub's client: handshake, messages both ways, time limits and close. It never sees a socket. */
export class Connection implements TransportListener, InputConsumer, CallingConnection {
  readonly id: string;
  readonly request: OpeningRequest;
  readonly connectedAt: number;
  readonly userId: string | undefined;
  readonly calls = new ClientCalls();
  attributes: Attributes;
  readonly #settings: ConnectionSettings;
  readonly #transport: Transport;
  readonly #outbox: Outbox;
  readonly #input: InputQueue;
  readonly #incoming: IncomingCalls;
  #state: State = { name: 'handshaking', reader: new HandshakeReader(MAX_HANDSHAKE_BYTES) };
  #hubline = 0;
  #received = false;
  /** Whether the client has sent a Close or an invalid message: what follows it is ignored. */
  #hasLeft = false;
  /** Whether the client must ping: a Hubline client always, any other after its first ping, as in ASP.NET Core. */
  #mustPing = false;
  #silentMs = 0;
  #idleMs = 0;
  /** Milliseconds since the connection entered its state, or since `connected` began to run. */
  #waitedMs = 0;
  /** Milliseconds since the last complete message. */
  #partialMs = 0;

  constructor({ connectionId, identity, request, transport, settings, connectedAt }: ConnectionOptions) {
    this.id = connectionId;
    this.userId = identity.userId;
    this.attributes = identity.attributes;
    this.request = request;
    this.connectedAt = connectedAt;
    this.#settings = settings;
    this.#transport = transport;
    const { turn, limits, clock } = settings;
    this.#outbox = new Outbox({ turn, transport, maxBufferedBytes: limits.maxBufferedBytes, overflow: (bytes) => this.#overflow(bytes) });
    this.#input = new InputQueue({ transport, limits, clock, turn, consumer: this, isStream: true });
    this.#incoming = new IncomingCalls({ limits, backpressure: this.#input.backpressure, connection: this });
  }

  get isBusy(): boolean {
    return this.#incoming.size + this.calls.size > 0;
  }

  get owesAnswer(): boolean {
    return this.calls.size > 0;
  }

  get isClosed(): boolean {
    return this.#state.name === 'closed';
  }

  /** The protocol that the handshake chose. Undefined before the handshake and after the end. */
  get codec(): Codec | undefined {
    return 'codec' in this.#state ? this.#state.codec : undefined;
  }

  get transportName(): Transport['name'] {
    return this.#transport.name;
  }

  /** Whether the client accepts cancellations. Clients without Hubline fail at a message type that they do not know. */
  get takesCancel(): boolean {
    return this.#hubline > 0;
  }

  /** Queues a message that many connections share. @throws HublineError `not_encodable` */
  send(outgoing: OutgoingMessage): void {
    const state = this.#state;
    if (state.name === 'open') this.#outbox.push(outgoing.as(state.codec), outgoing.replaces);
    else if (state.name === 'opening') this.#hold(state, outgoing.as(state.codec));
  }

  /** Invokes the client. `settle` is called once, with `undefined` if the client has disconnected. @throws HublineError `not_encodable` */
  invoke(invocationId: string, outgoing: OutgoingMessage, settle: Parameters<ClientCalls['open']>[1]): void {
    if (this.isClosed) return settle(undefined);
    this.calls.open(invocationId, settle);
    try {
      this.send(outgoing);
    } catch (error) {
      this.calls.forget(invocationId);
      throw error;
    }
    this.#input.advance();
  }

  /** Cancels an invocation of the client, whose caller no longer waits. */
  cancelInvocation(invocationId: string): void {
    if (!this.calls.forget(invocationId)) return;
    this.#input.advance();
    if (this.takesCancel) this.write({ type: MessageType.CancelInvocation, invocationId });
  }

  /**
   * Starts the queued calls: when `connected` has finished, or when it invokes the client, which may call before it answers. Idempotent.
   */
  startCalls(): void {
    this.#incoming.start();
  }

  uploadsOf(target: string): number {
    return this.#settings.handler.uploadsOf(target);
  }

  run(call: IncomingCall): void {
    this.#settings.handler.call(this, call);
  }

  /** Undefined while the client keeps up; otherwise settles when it has caught up. */
  whenWritable(): Promise<void> | undefined {
    return this.#outbox.whenWritable();
  }

  receive(chunk: Wire): void {
    this.#received = true;
    this.#input.receive(chunk);
  }

  controlled(frames: number): void {
    this.#input.count(frames);
  }

  /** Handles the input that arrived before the transport closed, then ends the connection: a client may send and disconnect at once. */
  closed(end: TransportEnd): void {
    if (!this.isClosed) this.#input.end(() => this.#end(transportEndReason(end)), { waits: false, drops: false });
  }

  /** Sends the Close message, and closes the transport. Idempotent. */
  close(reason: CloseReason): void {
    if (this.isClosed) return;
    const { closeMessage } = ENDINGS[reason.code];
    if (this.#state.name === 'open' && closeMessage)
      this.write(closeMessageOf(reason, { isHubline: this.#hubline > 0, ...this.#settings }));
    this.#end(reason);
    // If a WebSocket closes with another code, the .NET client discards what it has not read yet, the Close message too.
    if (closeMessage) this.#transport.close(NORMAL_CLOSURE, '');
    else this.#transport.destroy();
  }

  /** Checks the time limits. They are counted in heartbeats: time in which this process was suspended is not the client's silence. */
  heartbeat(ms: number): void {
    this.#transport.heartbeat(ms);
    const isBehind = this.#input.isBehind;
    this.#silentMs = this.#received || isBehind || this.#incoming.hasRunning ? 0 : this.#silentMs + ms;
    this.#received = false;
    this.#idleMs = this.#outbox.wrote ? 0 : this.#idleMs + ms;
    this.#outbox.wrote = false;
    this.#waitedMs += ms;
    const { handshakeMs, openingMs, connectedMs, messageMs, creditMs } = this.#settings.timeouts;
    const state = this.#state;
    if (state.name === 'open') {
      this.#partialMs = state.decoder.isPartial && !isBehind ? this.#partialMs + ms : 0;
      if (!this.#incoming.isStarted && this.#waitedMs >= connectedMs)
        return this.#timeOut('internal', 'The hook `connected` did not end', connectedMs);
      if (this.#partialMs >= messageMs) return this.#timeOut('timed_out', 'A message was unfinished', messageMs);
      this.#incoming.heartbeat(ms, creditMs);
      this.#keepAlive();
    } else if (state.name === 'handshaking' && this.#waitedMs >= handshakeMs) {
      this.#refuse(HANDSHAKE_CANCELED, { code: 'timed_out', error: timedOut('There was no handshake', handshakeMs) });
    } else if (state.name === 'opening' && this.#waitedMs >= openingMs) {
      this.#refuse(HANDSHAKE_CANCELED, { code: 'internal', error: timedOut('The connection was not registered', openingMs) });
    }
  }

  #keepAlive(): void {
    const { clientMs, keepAliveMs } = this.#settings.timeouts;
    if (this.#transport.inherentKeepAlive) return;
    const silentMs = Math.max(this.#mustPing ? this.#silentMs : 0, this.#transport.silentMs);
    if (silentMs >= clientMs) this.#timeOut('timed_out', 'The client was silent', clientMs);
    else if (this.#idleMs >= keepAliveMs) this.write({ type: MessageType.Ping });
  }

  /** Decodes a portion of input, and returns how many messages it held. */
  consume(portion: Wire): number {
    const state = this.#state;
    try {
      if (state.name === 'open') {
        const messages = state.decoder.push(portion, this.#dispatch);
        if (messages > 0) this.#partialMs = 0;
        return messages;
      }
      if (state.name === 'handshaking') this.#handshake(state.reader.push(portion));
    } catch (error) {
      const reason = protocolErrorReason(error);
      if (state.name === 'handshaking') this.#refuse(reason.code === 'message_too_large' ? HANDSHAKE_CANCELED : HANDSHAKE_FAILED, reason);
      else this.#leave(() => this.close(reason));
    }
    return 1;
  }

  #handshake(read: ReturnType<HandshakeReader['push']>): void {
    if (!read) return;
    const handshake = answerHandshake(read.record, this.#settings.codecs, this.#transport);
    if ('refusal' in handshake) return this.#refuse(handshake.refusal);
    const { codec, hubline } = handshake;
    this.#transport.format = codec.format;
    this.#hubline = hubline;
    this.#mustPing = hubline > 0;
    if (hubline > 0) this.#outbox.probe = new AckProbe(codec, this.#settings.clock);
    const state: Opening = { name: 'opening', codec: codecForPeer(codec, hubline), held: [], heldBytes: 0 };
    this.#enter(state);
    this.#input.stop(); // input that has arrived waits
    if (read.rest.length > 0) this.#input.putBack(read.rest);
    void this.#open(state);
  }

  async #open({ codec, held }: Opening): Promise<void> {
    const { handler, limits } = this.#settings;
    try {
      await handler.opening(this);
      if (this.isClosed) return;
      this.#outbox.push(encodeHandshake(acceptanceOf(this.#hubline, this.id, this.#settings)));
      this.#enter({ name: 'open', codec, decoder: codec.decoder({ maxMessageBytes: limits.maxMessageBytes }) });
      for (const wire of held) this.#outbox.push(wire);
      this.#input.start();
      if (this.isClosed) return;
      await handler.opened(this);
      this.startCalls();
    } catch (error) {
      if (this.#state.name === 'opening') this.#refuse(HANDSHAKE_FAILED, openingErrorReason(error));
      else this.close(openingErrorReason(error));
    }
  }

  #refuse(text: string, reason: CloseReason = protocolErrorReason(new HublineError('negotiation_failed', text, {}))): void {
    if (this.isClosed) return;
    this.#outbox.push(encodeHandshake({ error: text }));
    this.close(reason);
  }

  readonly #dispatch = (message: HubMessage): void => {
    if (this.isClosed || this.#hasLeft) return; // the rest of the chunk after the message that ended the connection
    switch (message.type) {
      case MessageType.Invocation:
      case MessageType.StreamInvocation:
        return this.#incoming.receive(message);
      case MessageType.StreamItem:
        return this.#incoming.item(message);
      case MessageType.Completion:
        if (!this.#incoming.endUpload(message)) this.calls.settle(message);
        return;
      case MessageType.CancelInvocation:
        return this.#incoming.cancel(message.invocationId);
      case MessageType.Credit:
        return this.#incoming.grant(message.invocationId, message.credit);
      case MessageType.Ping:
        this.#mustPing = true;
        if (this.#hubline > 0) this.write(message); // a Hubline client pings to check its socket, and expects this answer
        return;
      case MessageType.Close: // answered with a Close, as by ASP.NET Core
        return this.#leave(() => this.close(leftReason(message)));
      case MessageType.Ack:
        return this.#outbox.acknowledged();
      case MessageType.Sequence:
        return; // ignored, as stateful reconnect is not negotiated
    }
  };

  /** Ends the connection after the calls that precede the client's last message, unless they wait for `connected`. */
  #leave(close: () => void): void {
    if (!this.#incoming.isStarted) return close();
    this.#hasLeft = true;
    this.#input.end(close, { waits: false, drops: true });
  }

  /** Keeps a message until the client is registered: other nodes may send to it while the registration runs. */
  #hold(opening: Opening, wire: Wire): void {
    if (opening.heldBytes > this.#settings.limits.maxBufferedBytes) return this.#overflow(opening.heldBytes);
    opening.held.push(wire);
    opening.heldBytes += typeof wire === 'string' ? Buffer.byteLength(wire) : wire.length;
  }

  /** Queues a message for this client alone. @throws HublineError `not_encodable` */
  write(message: HubMessage): void {
    if (this.#state.name === 'open') this.#outbox.push(this.#state.codec.encode(message));
  }

  #overflow(bufferedBytes: number): void {
    const limitBytes = this.#settings.limits.maxBufferedBytes;
    const text = `The client has not read ${bufferedBytes} bytes; the limit is ${limitBytes}.`;
    this.close({ code: 'slow_consumer', error: new HublineError('slow_consumer', text, { bufferedBytes, limitBytes }) });
  }

  #timeOut(code: 'timed_out' | 'internal', what: string, timeoutMs: number): void {
    this.close({ code, error: timedOut(what, timeoutMs) });
  }

  #enter(state: State): void {
    this.#state = state;
    this.#waitedMs = 0;
  }

  /** Ends the connection: the only transition to `closed`. */
  #end(reason: CloseReason): void {
    if (this.isClosed) return;
    this.#enter({ name: 'closed' });
    this.#input.close();
    this.#outbox.close();
    this.#incoming.close(new HublineError('connection_lost', 'The client has disconnected.', {}));
    this.calls.close(isProtocolError(reason) ? reason.error : undefined);
    this.#settings.handler.closed(this, reason);
  }
}
