import type { Wire } from '@hubline/protocol';
import { Batch, type OpeningRequest, type Transport, type TransportEnd, type TransportListener } from '../transports/index.ts';
import type { CloseReason } from './closing.ts';
import { ENDINGS } from './closing.ts';
import type { Attributes, Identity } from './connection.ts';
import { Backpressure } from './backpressure.ts';
import { Upload } from './upload.ts';

export interface RawConnectionOptions {
  readonly connectionId: string;
  readonly identity: Identity;
  readonly request: OpeningRequest;
  readonly transport: Transport;
  /** Chunks that wait for the handler before the client is no longer read. */
  readonly capacity: number;
  /** Bytes that a client may leave untaken when more is to be written. */
  readonly maxBufferedBytes: number;
}

/** The pipe alone, without the hub protocol. Iterating gives what the client sends; leaving the loop discards the rest. */
export class RawConnection implements TransportListener, AsyncIterable<Wire> {
  readonly connectionId: string;
  readonly userId: string | undefined;
  readonly attributes: Attributes;
  readonly request: OpeningRequest;
  readonly #transport: Transport;
  readonly #maxBufferedBytes: number;
  readonly #received: Upload;
  readonly #over = new AbortController();

  constructor({ connectionId, identity, request, transport, capacity, maxBufferedBytes }: RawConnectionOptions) {
    this.connectionId = connectionId;
    this.userId = identity.userId;
    this.attributes = identity.attributes;
    this.request = request;
    this.#transport = transport;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#received = new Upload(capacity, new Backpressure(transport, () => false));
  }

  get transportName(): Transport['name'] {
    return this.#transport.name;
  }

  /** Aborts when the connection has ended. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Strings go as text, bytes as binary where the transport has both. Settles when the client has room for more. */
  send(data: Wire): Promise<void> {
    const transport = this.#transport;
    if (this.#over.signal.aborted) return Promise.resolve();
    if (transport.bufferedBytes > this.#maxBufferedBytes) transport.destroy();
    transport.format = typeof data === 'string' ? 'text' : 'binary';
    transport.write(new Batch().append(data));
    return new Promise((resolve) => transport.onceDrained(resolve));
  }

  close({ code }: Pick<CloseReason, 'code'> = { code: 'normal' }): void {
    const { goodbye, webSocketCode } = ENDINGS[code];
    if (goodbye) this.#transport.close(webSocketCode, '');
    else this.#transport.destroy();
  }

  [Symbol.asyncIterator](): AsyncIterator<Wire> {
    return this.#received[Symbol.asyncIterator]() as AsyncIterator<Wire>; // only `receive` fills it
  }

  receive(chunk: Wire): void {
    this.#received.push(chunk);
  }

  closed({ error }: TransportEnd): void {
    this.#received.end(error);
    this.#over.abort(error);
  }

  beat(ms: number): void {
    this.#transport.beat(ms);
  }
}
