import type { Wire } from '@hubline/protocol';
import type { Batch, Transport } from '../transports/index.ts';
import type { Flushable, Turn } from './turn.ts';
import type { Uptake } from './uptake.ts';

export interface OutboxOptions {
  readonly turn: Turn;
  readonly transport: Transport;
  /** Bytes that may be buffered for a client that does not read. */
  readonly maxBufferedBytes: number;
  /** Called when the buffer exceeds the limit: the connection ends. */
  readonly overflow: (bufferedBytes: number) => void;
}

/** Above this, a turn's messages are written before its end: joining them copies them. */
const EARLY_BYTES = 128 * 1024;
/** Above this, producers of items for this client wait. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Queues the messages for one client: one write per turn of the event loop, with a bound on the buffer of a slow client. */
export class Outbox implements Flushable {
  readonly #turn: Turn;
  readonly #transport: Transport;
  readonly #maxBufferedBytes: number;
  readonly #overflow: (bufferedBytes: number) => void;
  #batch: Batch | undefined;
  #closed = false;
  /** Messages by their keys that wait until the client has caught up: a newer one takes the place of the one before. */
  #latest: Map<string, Wire> | undefined;
  #latestBytes = 0;
  /** Of a client that answers: set by its handshake. */
  uptake: Uptake | undefined;
  /** Whether so much was queued that it was written before the end of the turn. */
  #early = false;
  /** Whether anything was written since the keep-alive last reset this. */
  wrote = false;

  constructor({ turn, transport, maxBufferedBytes, overflow }: OutboxOptions) {
    this.#turn = turn;
    this.#transport = transport;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#overflow = overflow;
  }

  /**
   * With `replaces`, only the latest message with this key is kept while the client does not keep up. It then comes after
   * messages that were sent later; the order of all others is that in which they were sent.
   */
  push(message: Wire, replaces?: string): void {
    if (replaces !== undefined && !this.#closed && (this.#latest || this.#isBehind)) return this.#keep(replaces, message);
    this.#append(message);
    if (replaces !== undefined) this.#ask();
  }

  #append(message: Wire): void {
    if (this.#closed) return;
    if (!this.#batch) {
      this.#batch = this.#turn.start;
      this.#turn.add(this);
    }
    this.#batch = this.#batch.append(message);
    if (this.#batch.maxBytes <= EARLY_BYTES) return;
    this.#early = true;
    this.flush();
  }

  flush(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    // Before the write: a large message to a client that takes everything is no sign of slowness.
    const bufferedBytes = this.#transport.bufferedBytes;
    if (bufferedBytes > this.#maxBufferedBytes) return this.#overflow(bufferedBytes);
    this.wrote = true;
    this.#transport.write(batch);
  }

  /** Undefined while the client keeps up; otherwise settles once it has caught up, or is gone. Makes a producer of many items yield. */
  whenWritable(): Promise<void> | undefined {
    if (this.#early) {
      // A generator that never waits and a client that reads everything would block the event loop.
      this.#early = false;
      return new Promise((resolve) => setImmediate(resolve)).then(() => this.whenWritable());
    }
    if (this.#closed || this.#transport.bufferedBytes <= HIGH_WATER_BYTES) return undefined;
    return new Promise((resolve) => this.#transport.onceDrained(resolve));
  }

  #keep(key: string, message: Wire): void {
    const isFirst = !this.#latest;
    const latest = (this.#latest ??= new Map<string, Wire>());
    this.#latestBytes += sizeOf(message) - sizeOf(latest.get(key));
    latest.set(key, message);
    const bufferedBytes = this.#transport.bufferedBytes + this.#latestBytes;
    if (bufferedBytes > this.#maxBufferedBytes) this.#overflow(bufferedBytes);
    else if (isFirst) this.#awaitUptake();
  }

  get #isBehind(): boolean {
    return this.#transport.bufferedBytes > 0 || this.uptake?.isLate === true;
  }

  #ask(): void {
    if (this.uptake?.ask()) this.#append(this.uptake.question);
  }

  /** The client has handled everything before the question. */
  answered(): void {
    this.uptake?.answered();
    this.#awaitUptake();
  }

  #awaitUptake(): void {
    if (!this.#latest) return;
    if (this.#transport.bufferedBytes > 0) this.#transport.onceDrained(() => this.#awaitUptake());
    else if (!this.#isBehind) this.#release();
  }

  #release(): void {
    const latest = this.#latest?.values();
    if (!latest) return;
    this.#latest = undefined;
    this.#latestBytes = 0;
    for (const message of latest) this.#append(message);
    this.#ask();
  }

  /** Writes the queued messages; later ones are dropped. */
  close(): void {
    this.#release();
    this.flush();
    this.#closed = true;
  }
}

/** The approximate size in bytes: a text counts its UTF-16 units. */
const sizeOf = (wire: Wire | undefined): number => wire?.length ?? 0;
