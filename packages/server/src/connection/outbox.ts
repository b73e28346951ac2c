import type { Wire } from '@hubline/protocol';
import type { Batch, Transport } from '../transports/index.ts';
import type { Flushable, Turn } from './turn.ts';

export interface OutboxOptions {
  readonly turn: Turn;
  readonly transport: Transport;
  /** Bytes that a client may leave untaken when more is to be written. */
  readonly maxBufferedBytes: number;
  /** The client has left more: its connection is over. */
  readonly overflow: (bufferedBytes: number) => void;
}

/** Above this, a turn's messages are written before its end: joining them copies them. */
const EARLY_BYTES = 128 * 1024;
/** Above this, who produces items for this client waits. */
const HIGH_WATER_BYTES = 64 * 1024;

/** What one client is still to get: one write a turn, and a bound on what a slow client holds. */
export class Outbox implements Flushable {
  readonly #turn: Turn;
  readonly #transport: Transport;
  readonly #maxBufferedBytes: number;
  readonly #overflow: (bufferedBytes: number) => void;
  #batch: Batch | undefined;
  #closed = false;
  /** Whether so much was queued that it was written before the end of the turn. */
  #early = false;
  /** Whether anything was written since somebody last asked: the keep-alive does. */
  wrote = false;

  constructor({ turn, transport, maxBufferedBytes, overflow }: OutboxOptions) {
    this.#turn = turn;
    this.#transport = transport;
    this.#maxBufferedBytes = maxBufferedBytes;
    this.#overflow = overflow;
  }

  push(message: Wire): void {
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

  /** Undefined where the client keeps up; otherwise settles once it has caught up, or is gone. Ends the turn of who writes much. */
  whenWritable(): Promise<void> | undefined {
    if (this.#early) {
      // A generator that never waits and a client that takes everything would leave nobody else a turn.
      this.#early = false;
      return new Promise((resolve) => setImmediate(resolve)).then(() => this.whenWritable());
    }
    if (this.#closed || this.#transport.bufferedBytes <= HIGH_WATER_BYTES) return undefined;
    return new Promise((resolve) => this.#transport.onceDrained(resolve));
  }

  /** Writes what is there; what comes later is dropped. */
  close(): void {
    this.flush();
    this.#closed = true;
  }
}
