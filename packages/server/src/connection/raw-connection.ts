import { checkKnown, invalidOption, type Wire } from '@hubline/protocol';
import { Batch, type OpeningRequest, type Transport, type TransportEnd, type TransportListener } from '../transports/index.ts';
import type { Clock } from './clock.ts';
import type { CloseReason } from './closing.ts';
import { ENDINGS } from './closing.ts';
import type { ConnectionOpening } from './connection.ts';
import type { Attributes } from './identity.ts';
import { InputQueue, type InputConsumer, type InputLimits } from './input-queue.ts';
import type { ConnectionTimeouts } from './timeouts.ts';
import type { Turn } from './turn.ts';
import { Upload } from './upload.ts';

export interface RawConnectionSettings {
  readonly limits: InputLimits & {
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

/** The close codes of RFC 6455, 7.4.1. A raw connection has no Close message, so its client learns only the code. */
const TOO_LARGE = 1009;
const CLOSE_CODES: Partial<Record<CloseReason['code'], number>> = {
  shutdown: 1001,
  unauthorized: 1011,
  forbidden: 1011,
  hub_error: 1011,
  internal: 1011,
};
const NORMAL_CLOSURE = 1000;
/** The most pieces of one WebSocket message. Each piece costs a hundred bytes, however small it is. */
const MAX_PIECES = 16 * 1024;

/** A connection without the hub protocol. Iteration yields the client's chunks; leaving the loop discards the rest. */
export class RawConnection implements TransportListener, AsyncIterable<Wire> {
  readonly connectionId: string;
  readonly userId: string | undefined;
  readonly attributes: Attributes;
  readonly request: OpeningRequest;
  readonly #transport: Transport;
  readonly #settings: RawConnectionSettings;
  readonly #input: InputQueue;
  readonly #received: Upload;
  readonly #ended = new AbortController();
  /** The pieces of a WebSocket message whose end has not arrived. */
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
    const consumer: InputConsumer = {
      owesAnswer: false,
      consume: (chunk) => {
        this.#received.push(chunk);
        return 1;
      },
    };
    this.#input = new InputQueue({ transport, limits, clock, turn, consumer, isStream: false });
    this.#received = new Upload(limits.uploadCapacity, this.#input.backpressure);
  }

  /** Always false: the handler runs as long as the connection, and `signal` asks it to end. */
  readonly isBusy = false;

  get transportName(): Transport['name'] {
    return this.#transport.name;
  }

  /** Aborts when the connection has ended. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Sends strings as text, and bytes as binary if the transport has both. Resolves when the client can take more. @throws HublineError
   * `invalid_option` for other values
   */
  send(data: Wire): Promise<void> {
    if (typeof data !== 'string' && !((data as unknown) instanceof Uint8Array)) throw invalidOption('data', 'must be a string or bytes');
    const transport = this.#transport;
    if (this.#ended.signal.aborted) return Promise.resolve();
    if (transport.bufferedBytes > this.#settings.limits.maxBufferedBytes) transport.destroy();
    transport.format = typeof data === 'string' ? 'text' : 'binary';
    transport.write(new Batch().append(data));
    return new Promise((resolve) => transport.onceDrained(resolve));
  }

  /** Ends the connection. @throws HublineError `invalid_option` for an unknown code */
  close(reason: Pick<CloseReason, 'code'> = { code: 'disconnected' }): void {
    checkKnown(reason, ['code', 'error', 'allowReconnect'], { within: 'reason' });
    const { code } = reason;
    if (!Object.hasOwn(ENDINGS, code)) throw invalidOption('reason.code', `must be one of ${Object.keys(ENDINGS).join(', ')}`);
    if (ENDINGS[code].closeMessage) this.#transport.close(CLOSE_CODES[code] ?? NORMAL_CLOSURE, '');
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
      return this.#input.count(1);
    }
    const whole = this.#pieces.length > 0 ? joined([...this.#pieces, chunk]) : chunk;
    this.#pieces = [];
    this.#pieceBytes = this.#partialMs = 0;
    this.#input.receive(whole);
  }

  controlled(frames: number): void {
    this.#input.count(frames);
  }

  /** Ends the input: the handler still gets the chunks that have arrived before. */
  closed({ error }: TransportEnd): void {
    this.#input.end(() => this.#received.end(error), { waits: true, drops: false });
    this.#ended.abort(error);
  }

  heartbeat(ms: number): void {
    this.#transport.heartbeat(ms);
    this.#partialMs = this.#pieces.length > 0 && !this.#input.isBehind ? this.#partialMs + ms : 0;
    const { messageMs, clientMs } = this.#settings.timeouts;
    if (this.#partialMs >= messageMs || this.#transport.silentMs >= clientMs) this.close({ code: 'timed_out' });
  }
}

function joined(pieces: readonly Wire[]): Wire {
  return typeof pieces[0] === 'string' ? pieces.join('') : Buffer.concat(pieces as readonly Uint8Array[]);
}
