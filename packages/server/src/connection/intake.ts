import type { Wire } from '@hubline/protocol';
import type { Transport } from '../transports/index.ts';
import { Backpressure } from './backpressure.ts';
import type { Clock } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Turn } from './turn.ts';

export interface IntakeLimits {
  /**
   * Memory for input of a client that no method has consumed: calls that wait, items of uploads, chunks for a handler. Estimated from the
   * decoded values. Above it the client is not read; while it owes an answer it may be twice as much. Default 1 MiB.
   */
  readonly maxQueuedBytes: number;
  /** Messages a second that are taken from one client, after as many at once. Above it the client is read more slowly. Default 20000. */
  readonly maxMessagesPerSecond: number;
  /** Bytes a second, likewise. Default 16 MiB. */
  readonly maxBytesPerSecond: number;
}

export interface IntakeOptions {
  readonly transport: Pick<Transport, 'pause' | 'resume' | 'readAheadBytes'>;
  readonly limits: IntakeLimits;
  readonly clock: Clock;
  readonly turn: Turn;
  /** Whether the client owes an answer. */
  readonly isAsked: () => boolean;
  /** Takes a portion, and returns how many messages it held. Never throws. */
  readonly take: (portion: Wire) => number;
  /** Chunks may be cut: the hub protocol's are pieces of a stream. Otherwise each is taken whole. */
  readonly isStream: boolean;
}

/** Bytes of one client that are handled in a turn of the event loop: an honest burst fits, and a flood takes a few milliseconds. */
const PORTION_BYTES = 16 * 1024;
/** The cost of a chunk besides its bytes: many very small chunks are a flood too. */
const CHUNK_BYTES = 64;

/**
 * Decodes a client's input in portions, one per turn of the event loop, at a bounded rate, and only while the buffers have room.
 * The rest waits undecoded, and the client is not read meanwhile.
 */
export class Intake {
  readonly backpressure: Backpressure;
  readonly #options: IntakeOptions;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  /** Undecoded chunks, in order. */
  readonly #waiting: Wire[] = [];
  #waitingBytes = 0;
  /** The turn in which something was taken last, and how much was taken in it. */
  #turn = 0;
  #takenInTurn = 0;
  #isStopped = false;
  #isClosed = false;
  #isTaking = false;
  #isPaused = false;
  /** Cancels the scheduled look. */
  #cancel: (() => void) | undefined;
  #end: { readonly then: () => void; readonly waits: boolean } | undefined;

  constructor(options: IntakeOptions) {
    const { limits, clock, isAsked } = options;
    this.#options = options;
    this.#messages = new TokenBucket(limits.maxMessagesPerSecond, clock);
    this.#bytes = new TokenBucket(limits.maxBytesPerSecond, clock);
    this.backpressure = new Backpressure({ maxQueuedBytes: limits.maxQueuedBytes, isAsked, changed: () => this.look() });
  }

  /** Whether the client may have sent more than was looked at. */
  get isBehind(): boolean {
    return this.#isPaused || this.#waiting.length > 0;
  }

  receive(chunk: Wire): void {
    if (this.#isClosed) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += sizeOf(chunk);
    this.look();
  }

  /** The rest of a portion that was not for its taker: it comes first when the intake goes on. */
  putBack(rest: Wire): void {
    this.#waiting.unshift(rest);
    this.#waitingBytes += sizeOf(rest);
  }

  /** Takes nothing until {@link start}. */
  stop(): void {
    this.#isStopped = true;
  }

  start(): void {
    this.#isStopped = false;
    this.look();
  }

  /** Counts frames without data (pings and the like): they cost the event loop time too. */
  count(frames: number): void {
    this.#charge(frames, frames * CHUNK_BYTES);
    this.look();
  }

  /** Calls back when all input is taken, since the client sends no more. Without `waits`, also when full buffers stop the taking. */
  end(then: () => void, { waits }: { readonly waits: boolean }): void {
    this.#end = { then, waits };
    this.look();
  }

  /** Drops the waiting input. Final. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#cancel?.();
    this.#pause(false);
  }

  /** Takes what may be taken now, and schedules the rest. Call it when the client was invoked, or has answered. */
  look(): void {
    if (this.#isTaking || this.#isClosed) return; // a call that ends at once comes back here; the loop below goes on
    this.#isTaking = true;
    while (this.#waiting.length > 0 && !this.#isHeld && !this.#isEarly) this.#takePortion();
    this.#isTaking = false;
    this.#arrange();
  }

  /** Whether there is no room. The consumer that makes room calls {@link look} again. */
  get #isHeld(): boolean {
    return this.#isStopped || this.backpressure.isFull;
  }

  /** Whether this turn's portion or the rate is used up. */
  get #isEarly(): boolean {
    return (this.#takenInTurn >= PORTION_BYTES && this.#options.turn.number === this.#turn) || this.#debtMs > 0;
  }

  get #debtMs(): number {
    return Math.max(this.#messages.debtMs, this.#bytes.debtMs);
  }

  #takePortion(): void {
    const portion = this.#nextPortion();
    const messages = this.#options.take(portion);
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
    if (turn !== this.#turn) this.#takenInTurn = 0;
    this.#turn = turn;
    this.#takenInTurn += bytes;
    this.#messages.take(messages);
    this.#bytes.take(bytes);
  }

  #arrange(): void {
    if (this.#isClosed) return; // the portion itself has ended the connection
    const isEarly = this.#isEarly;
    const isHeld = this.#isHeld;
    if (this.#end && (this.#waiting.length === 0 || (isHeld && !this.#end.waits))) return this.#over(this.#end.then);
    if (isEarly) this.#later();
    this.#pause(isEarly || (isHeld && this.#waitingBytes >= this.#options.transport.readAheadBytes));
  }

  #later(): void {
    if (this.#cancel) return;
    const again = (): void => {
      this.#cancel = undefined;
      this.look();
    };
    const debtMs = this.#debtMs;
    if (debtMs > 0) {
      this.#cancel = this.#options.clock.after(debtMs, again);
    } else {
      const immediate = setImmediate(again);
      this.#cancel = () => clearImmediate(immediate);
    }
  }

  #over(then: () => void): void {
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
