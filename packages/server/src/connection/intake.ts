import type { Wire } from '@hubline/protocol';
import type { Transport } from '../transports/index.ts';
import { Backpressure } from './backpressure.ts';
import type { Clock } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Turn } from './turn.ts';

export interface IntakeLimits {
  /**
   * Memory of what a client has sent and no method has taken: calls that wait, items of uploads, chunks for a handler. Estimated from the
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

/** What one client may have handled in a turn of the event loop: an honest burst fits, and a flood takes a few milliseconds. */
const PORTION_BYTES = 16 * 1024;
/** What a chunk costs beside its bytes: very small ones are a flood too. */
const CHUNK_BYTES = 64;

/**
 * Takes what a client sends in portions, one a turn of the event loop, at a bounded rate, and as long as there is room for what they
 * hold. The rest waits undecoded, and the client is not read meanwhile.
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
  /** Cancels the look that is due later. */
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

  /** Frames that carry nothing to take: they cost the event loop something all the same. */
  count(frames: number): void {
    this.#charge(frames, frames * CHUNK_BYTES);
    this.look();
  }

  /** The client sends no more: calls back when all is taken, or where it does not wait for full buffers, when it cannot be. */
  end(then: () => void, { waits }: { readonly waits: boolean }): void {
    this.#end = { then, waits };
    this.look();
  }

  /** Drops what waits. Final. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#cancel?.();
    this.#pause(false);
  }

  /** Takes what may be taken, and arranges for the rest. Call when the client was asked something, or has answered. */
  look(): void {
    if (this.#isTaking || this.#isClosed) return; // a call that ends at once comes back here; the loop below goes on
    this.#isTaking = true;
    while (this.#waiting.length > 0 && !this.#isHeld && !this.#isEarly) this.#takePortion();
    this.#isTaking = false;
    this.#arrange();
  }

  /** There is no room: whatever makes some looks again. */
  get #isHeld(): boolean {
    return this.#isStopped || this.backpressure.isFull;
  }

  /** It is too early for more: the turn is used up, or the rate. */
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
    if (this.#isClosed) return; // what was taken has ended it
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
