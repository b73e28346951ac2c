import { checkKnown, invalidOption, type Wire } from '@hubline/protocol';
import { Batch, type OpeningRequest, type Transport, type TransportEnd, type TransportListener } from '../transports/index.ts';
import type { Clock } from './clock.ts';
import type { CloseReason } from './closing.ts';
import { ENDINGS } from './closing.ts';
import type { Attributes, ConnectionOpening, ConnectionTimeouts } from './connection.ts';
import { Intake, type IntakeLimits } from './intake.ts';
import type { Turn } from './turn.ts';
import { Upload } from './upload.ts';

export interface RawConnectionSettings {
  readonly limits: IntakeLimits & {
    /** The largest WebSocket message. */
    readonly maxFrameBytes: number;
    /** Chunks that wait for the handler before the client is no longer read. */
    readonly uploadCapacity: number;
    /** Bytes that may be buffered for a client that does not read. */
    readonly maxBufferedBytes: number;
  };
  readonly timeouts: Pick<ConnectionTimeouts, 'messageMs' | 'clientMs'>;
  readonly clock: Clock;
  readonly turn: Turn;
}

export interface RawConnectionOptions extends ConnectionOpening {
  readonly settings: RawConnectionSettings;
}

/** RFC 6455, 7.4.1. */
const TOO_LARGE = 1009;
/** Of one WebSocket message: each costs a hundred bytes, however small it is. */
const MAX_PIECES = 16 * 1024;

/** A connection without the hub protocol. Iterating yields the client's chunks; leaving the loop discards the rest. */
export class RawConnection implements TransportListener, AsyncIterable<Wire> {
  readonly connectionId: string;
  readonly userId: string | undefined;
  readonly attributes: Attributes;
  readonly request: OpeningRequest;
  readonly #transport: Transport;
  readonly #settings: RawConnectionSettings;
  readonly #intake: Intake;
  readonly #received: Upload;
  readonly #over = new AbortController();
  /** Of a WebSocket message whose end has not come. */
  #pieces: Wire[] = [];
  #pieceBytes = 0;
  #partialMs = 0;

  constructor({ connectionId, identity, request, transport, settings }: RawConnectionOptions) {
    this.connectionId = connectionId;
    this.userId = identity.userId;
    this.attributes = identity.attributes;
    this.request = request;
    this.#transport = transport;
    this.#settings = settings;
    const { limits, clock, turn } = settings;
    const take = (chunk: Wire): number => {
      this.#received.push(chunk);
      return 1;
    };
    this.#intake = new Intake({ transport, limits, clock, turn, isAsked: () => false, take, isStream: false });
    this.#received = new Upload(limits.uploadCapacity, this.#intake.backpressure);
  }

  /** Never busy: the handler runs as long as the connection, and `signal` tells it to end. */
  readonly isBusy = false;

  get transportName(): Transport['name'] {
    return this.#transport.name;
  }

  /** Aborts when the connection has ended. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Strings go as text, bytes as binary where the transport has both. Settles when the client has room for more. @throws HublineError
   * `invalid_option` where it is neither
   */
  send(data: Wire): Promise<void> {
    if (typeof data !== 'string' && !((data as unknown) instanceof Uint8Array)) throw invalidOption('data', 'must be a string or bytes');
    const transport = this.#transport;
    if (this.#over.signal.aborted) return Promise.resolve();
    if (transport.bufferedBytes > this.#settings.limits.maxBufferedBytes) transport.destroy();
    transport.format = typeof data === 'string' ? 'text' : 'binary';
    transport.write(new Batch().append(data));
    return new Promise((resolve) => transport.onceDrained(resolve));
  }

  /** Ends the connection. @throws HublineError `invalid_option` where the code is none */
  close(reason: Pick<CloseReason, 'code'> = { code: 'disconnected' }): void {
    checkKnown(reason, ['code', 'error', 'allowReconnect'], { within: 'reason' });
    const { code } = reason;
    if (!Object.hasOwn(ENDINGS, code)) throw invalidOption('reason.code', `must be one of ${Object.keys(ENDINGS).join(', ')}`);
    const { goodbye, webSocketCode } = ENDINGS[code];
    if (goodbye) this.#transport.close(webSocketCode, '');
    else this.#transport.destroy();
  }

  [Symbol.asyncIterator](): AsyncIterator<Wire> {
    return this.#received[Symbol.asyncIterator]() as AsyncIterator<Wire>; // only `receive` fills it
  }

  receive(chunk: Wire, isEnd: boolean): void {
    const { maxFrameBytes } = this.#settings.limits;
    this.#pieceBytes += chunk.length;
    if (this.#pieceBytes > maxFrameBytes || this.#pieces.length > MAX_PIECES) {
      this.#pieces = [];
      return this.#transport.close(TOO_LARGE, `The WebSocket message is larger than maxFrameBytes (${maxFrameBytes}).`);
    }
    if (!isEnd) {
      if (chunk.length > 0) this.#pieces.push(chunk);
      return this.#intake.count(1);
    }
    const whole = this.#pieces.length > 0 ? joined([...this.#pieces, chunk]) : chunk;
    this.#pieces = [];
    this.#pieceBytes = this.#partialMs = 0;
    this.#intake.receive(whole);
  }

  controlled(frames: number): void {
    this.#intake.count(frames);
  }

  /** Ends the input: the handler still gets what has arrived before. */
  closed({ error }: TransportEnd): void {
    this.#intake.end(() => this.#received.end(error), { waits: true });
    this.#over.abort(error);
  }

  heartbeat(ms: number): void {
    this.#transport.heartbeat(ms);
    this.#partialMs = this.#pieces.length > 0 && !this.#intake.isBehind ? this.#partialMs + ms : 0;
    const { messageMs, clientMs } = this.#settings.timeouts;
    if (this.#partialMs >= messageMs || this.#transport.silentMs >= clientMs) this.close({ code: 'timed_out' });
  }
}

function joined(pieces: readonly Wire[]): Wire {
  return typeof pieces[0] === 'string' ? pieces.join('') : Buffer.concat(pieces as readonly Uint8Array[]);
}
