import type { Wire } from '@hubline/protocol';
import type { Batch, Transport } from '../transports/index.ts';
import type { AckProbe } from './ack-probe.ts';
import type { Flushable, Turn } from './turn.ts';

export interface OutboxOptions {
  readonly turn: Turn;
  readonly transport: Transport;
  /** Bytes that may be buffered for a client that does not read. */
  readonly maxBufferedBytes: number;
  /** Called when the buffer exceeds the limit: the connection ends. */
  readonly overflow: (bufferedBytes: number) => void;
}

/** Above this size a turn's messages are written before its end: joining them copies them. */
const EARLY_BYTES = 128 * 1024;
/** Above this size producers of items for this client wait. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Queues the messages for one client: one write per turn of the event loop, with a limit on the buffer of a slow client. */
export class Outbox implements Flushable {
  readonly #turn: Turn;
  readonly #transport: Transport;
  readonly #maxBufferedBytes: number;
  readonly #overflow: (bufferedBytes: number) => void;
  #batch: Batch | undefined;
  #closed = false;
  /** The latest message of each key, while the client does not keep up. */
  #latest: Map<string, Wire> | undefined;
  #latestBytes = 0;
  /** Set by the handshake of a client that acknowledges. */
  probe: AckProbe | undefined;
  /** Whether messages were written before the end of the turn, because they were large. */
  #wroteEarly = false;
  /** Whether anything was written since the keep-alive last reset this. */
  wrote = false;

  constructor({ turn, transport, maxBufferedBytes, overflow }: OutboxOptions) {
    this.#turn = turn;
    this.#transport = transport;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#overflow = overflow;
  }

  /**
   * Queues a message. Of messages with the same `replaces`, only the latest is kept while the client does not keep up. It may then arrive
   * after messages that were sent later; all other messages keep their order.
   */
  push(message: Wire, replaces?: string): void {
    if (replaces !== undefined && !this.#closed && (this.#latest || this.#isBehind)) return this.#keep(replaces, message);
    this.#append(message);
    if (replaces !== undefined) this.#probe();
  }

  #append(message: Wire): void {
    if (this.#closed) return;
    if (!this.#batch) {
      this.#batch = this.#turn.start;
      this.#turn.add(this);
    }
    this.#batch = this.#batch.append(message);
    if (this.#batch.maxBytes <= EARLY_BYTES) return;
    this.#wroteEarly = true;
    this.flush();
  }

  flush(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    // Checked before the write: one large message to a client that reads everything is no sign of slowness.
    const bufferedBytes = this.#transport.bufferedBytes;
    if (bufferedBytes > this.#maxBufferedBytes) return this.#overflow(bufferedBytes);
    this.wrote = true;
    this.#transport.write(batch);
  }

  /** Undefined while the client keeps up; otherwise settles when it has caught up or disconnected. Makes a producer of many items yield. */
  whenWritable(): Promise<void> | undefined {
    if (this.#wroteEarly) {
      // A generator that never waits and a client that reads everything would block the event loop.
      this.#wroteEarly = false;
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
    else if (isFirst) this.#releaseWhenCaughtUp();
  }

  get #isBehind(): boolean {
    return this.#transport.bufferedBytes > 0 || this.probe?.isLate === true;
  }

  #probe(): void {
    if (this.probe?.begin()) this.#append(this.probe.message);
  }

  /** The client has handled all messages before the probe. */
  acknowledged(): void {
    this.probe?.acknowledged();
    this.#releaseWhenCaughtUp();
  }

  #releaseWhenCaughtUp(): void {
    if (!this.#latest) return;
    if (this.#transport.bufferedBytes > 0) this.#transport.onceDrained(() => this.#releaseWhenCaughtUp());
    else if (!this.#isBehind) this.#release();
  }

  #release(): void {
    const latest = this.#latest?.values();
    if (!latest) return;
    this.#latest = undefined;
    this.#latestBytes = 0;
    for (const message of latest) this.#append(message);
    this.#probe();
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
