import type { Wire } from '@hubline/protocol';
import type { Transport } from '../transports/index.ts';
import { Backpressure, type BoundedInput } from './backpressure.ts';
import type { Clock } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Turn } from './turn.ts';

export interface InputLimits {
  /**
   * Memory for input of a client that no method has consumed: waiting calls, items of uploads, chunks for a handler. Estimated from the
   * decoded values. Above it the client is not read; the limit is doubled while the client owes an answer. Default 1 MiB.
   */
  readonly maxQueuedBytes: number;
  /** Messages per second that are decoded for one client; a burst of one second's number is allowed. Above it the client is read more slowly. Default 20000. */
  readonly maxMessagesPerSecond: number;
  /** Bytes per second, likewise. Default 16 MiB. */
  readonly maxBytesPerSecond: number;
}

/** Consumes a client's input: its connection. */
export interface InputConsumer {
  /** Whether the client owes the answer to an invocation. */
  readonly owesAnswer: boolean;
  /** Decodes a portion, and returns how many messages it held. Never throws. */
  consume(portion: Wire): number;
}

export interface InputQueueOptions {
  readonly transport: Pick<Transport, 'pause' | 'resume' | 'readAheadBytes'>;
  readonly limits: InputLimits;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly consumer: InputConsumer;
  /** True if chunks may be cut, as those of the hub protocol, which are pieces of a stream. */
  readonly isStream: boolean;
}

/** How a queue ends. */
export interface InputEnd {
  /** Whether it waits for full buffers to empty. */
  readonly waits: boolean;
  /** Whether it drops the input that is not decoded yet, and what still arrives. */
  readonly drops: boolean;
}

/** Bytes of one client that are decoded in a turn of the event loop: an honest burst fits, and a flood takes a few milliseconds. */
const PORTION_BYTES = 16 * 1024;
/** The cost of a chunk besides its bytes: many very small chunks are a flood too. */
const CHUNK_BYTES = 64;

/**
 * Queues a client's input, and has it decoded in portions: one per turn of the event loop, at a bounded rate, and only while the buffers
 * have room. The rest waits undecoded, and the client is not read meanwhile.
 */
export class InputQueue implements BoundedInput {
  readonly backpressure: Backpressure;
  readonly #options: InputQueueOptions;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  /** Undecoded chunks, in order. */
  readonly #waiting: Wire[] = [];
  #waitingBytes = 0;
  /** The turn of the last portion, and the bytes that were decoded in it. */
  #turn = 0;
  #bytesInTurn = 0;
  #isStopped = false;
  #isClosed = false;
  #isDecoding = false;
  #isPaused = false;
  /** Cancels the scheduled continuation. */
  #cancel: (() => void) | undefined;
  #end: ({ readonly then: () => void } & InputEnd) | undefined;

  constructor(options: InputQueueOptions) {
    const { limits, clock } = options;
    this.#options = options;
    this.#messages = new TokenBucket(limits.maxMessagesPerSecond, clock);
    this.#bytes = new TokenBucket(limits.maxBytesPerSecond, clock);
    this.backpressure = new Backpressure(limits.maxQueuedBytes, this);
  }

  get owesAnswer(): boolean {
    return this.#options.consumer.owesAnswer;
  }

  /** Whether the client may have sent more than was decoded. */
  get isBehind(): boolean {
    return this.#isPaused || this.#waiting.length > 0;
  }

  receive(chunk: Wire): void {
    if (this.#isClosed || this.#end?.drops) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += sizeOf(chunk);
    this.advance();
  }

  /** Puts the unused rest of a portion back in front of the queue. */
  putBack(rest: Wire): void {
    this.#waiting.unshift(rest);
    this.#waitingBytes += sizeOf(rest);
  }

  /** Decodes nothing until {@link start}. */
  stop(): void {
    this.#isStopped = true;
  }

  start(): void {
    this.#isStopped = false;
    this.advance();
  }

  /** Counts frames without data, such as pings: they cost the event loop time too. */
  count(frames: number): void {
    this.#charge(frames, frames * CHUNK_BYTES);
    this.advance();
  }

  /**
   * Calls back when the input of a client that has left is decoded, and its last calls have had a turn of the event loop to end. Only the
   * first call counts.
   */
  end(then: () => void, how: InputEnd): void {
    if (how.drops) this.#drop();
    this.#end ??= { then, ...how };
    this.advance();
  }

  /** Drops the waiting input. Final. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
    this.#cancel?.();
    this.#pause(false);
  }

  #drop(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  /** Decodes as much as is allowed now, and schedules the rest. Call it when {@link InputConsumer.owesAnswer} has changed. */
  advance(): void {
    if (this.#isDecoding || this.#isClosed) return; // a call that ends at once re-enters here, and the loop below continues
    this.#isDecoding = true;
    while (this.#waiting.length > 0 && !this.#isBlocked && !this.#isThrottled) this.#decodePortion();
    this.#isDecoding = false;
    this.#scheduleRest();
  }

  /** Whether the buffers have no room. Backpressure calls {@link advance} when they have. */
  get #isBlocked(): boolean {
    return this.#isStopped || this.backpressure.isFull;
  }

  /** Whether this turn's portion or the rate is used up. */
  get #isThrottled(): boolean {
    return this.#decodedBytes >= PORTION_BYTES || this.#debtMs > 0;
  }

  /** The bytes that were decoded in this turn. */
  get #decodedBytes(): number {
    return this.#options.turn.number === this.#turn ? this.#bytesInTurn : 0;
  }

  get #debtMs(): number {
    return Math.max(this.#messages.debtMs, this.#bytes.debtMs);
  }

  #decodePortion(): void {
    const portion = this.#nextPortion();
    const messages = this.#options.consumer.consume(portion);
    this.#charge(messages, sizeOf(portion));
  }

  #nextPortion(): Wire {
    const chunk = this.#waiting.shift()!;
    this.#waitingBytes -= sizeOf(chunk);
    if (!this.#options.isStream || chunk.length <= PORTION_BYTES) return chunk;
    this.putBack(cut(chunk, PORTION_BYTES));
    return cut(chunk, 0, PORTION_BYTES);
  }

  #charge(messages: number, bytes: number): void {
    const turn = this.#options.turn.number;
    if (turn !== this.#turn) this.#bytesInTurn = 0;
    this.#turn = turn;
    this.#bytesInTurn += bytes;
    this.#messages.take(messages);
    this.#bytes.take(bytes);
  }

  #scheduleRest(): void {
    if (this.#isClosed) return; // the portion itself has ended the connection
    const isThrottled = this.#isThrottled;
    const isBlocked = this.#isBlocked;
    if (this.#end && (this.#waiting.length === 0 || (isBlocked && !this.#end.waits))) {
      if (this.#decodedBytes > 0) return this.#continueLater(0); // calls of this turn may not have ended, or not even begun
      return this.#finish(this.#end.then);
    }
    if (isThrottled) this.#continueLater(this.#debtMs);
    this.#pause(isThrottled || (isBlocked && this.#waitingBytes >= this.#options.transport.readAheadBytes));
  }

  #continueLater(debtMs: number): void {
    if (this.#cancel) return;
    const again = (): void => {
      this.#cancel = undefined;
      this.advance();
    };
    if (debtMs > 0) {
      this.#cancel = this.#options.clock.after(debtMs, again);
    } else {
      const immediate = setImmediate(again);
      this.#cancel = () => clearImmediate(immediate);
    }
  }

  #finish(then: () => void): void {
    this.close();
    then();
  }

  #pause(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#options.transport.pause();
    else this.#options.transport.resume();
  }
}

const cut = (chunk: Wire, start: number, end?: number): Wire =>
  typeof chunk === 'string' ? chunk.slice(start, end) : chunk.subarray(start, end);

const sizeOf = (chunk: Wire): number => chunk.length + CHUNK_BYTES;
