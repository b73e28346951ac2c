import { RangeSet, type Range } from './ranges.ts';
import { firstIndex } from './search.ts';

interface HeldFrame {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export interface ReceiveWindowOptions {
  readonly at: number;
  readonly isKept: boolean;
  readonly knownFrom?: number;
}

export interface Loss {
  readonly known: number;
  readonly mayBeMore: boolean;
}

/** A jump of this many sequences, which the sender did not explain, is taken back when a lower one follows. */
const SUSPICIOUS_JUMP = 1000;
/** Approximate memory of a held frame beside its payload. */
const FRAME_BYTES = 256;
const costOf = (payload: Uint8Array): number => payload.length + FRAME_BYTES;

/**
 * Tracks the frames from one sender on one channel: all up to `done` are delivered or given up; sequences from there to `top` are
 * missing, or held because an earlier one is missing.
 */
export class ReceiveWindow {
  readonly missing = new RangeSet();
  /** When the channel was last received without a hole. */
  receivedAt: number;
  heldBytes = 0;
  #done: number;
  #top: number;
  /** Ascending. */
  #held: HeldFrame[] = [];
  /** Below this sequence nothing is known to be lost: frames may be older than the subscription. */
  readonly #knownFrom: number;
  /** The last jump that was given up, from the sequence before it. */
  #jump: Range | undefined;

  /** Whether the sender keeps its frames: it always does, or never. */
  readonly isKept: boolean;

  constructor(base: number, { at, isKept, knownFrom = base + 1 }: ReceiveWindowOptions) {
    this.isKept = isKept;
    this.#done = base;
    this.#top = base;
    this.#knownFrom = knownFrom;
    this.receivedAt = at;
  }

  get top(): number {
    return this.#top;
  }
  get isWhole(): boolean {
    return this.#done === this.#top;
  }

  /** Whether frames are missing that may be older than the subscription. */
  get mayPredateSubscription(): boolean {
    return (this.missing.first ?? this.#knownFrom) < this.#knownFrom;
  }

  /** Whether this frame is the next one and nothing is missing: then it is delivered at once. */
  isNext(sequence: number): boolean {
    return sequence === this.#top + 1 && this.isWhole;
  }
  advance(at: number): void {
    this.#jump = undefined;
    this.#top++;
    this.#done++;
    this.receivedAt = at;
  }

  /** Takes a frame for {@link take}. Without room it becomes one more hole. Returns false where it was received before. */
  hold(sequence: number, payload: Uint8Array, room: number): boolean {
    this.#takeBackJump(sequence);
    if (sequence <= this.#top) return this.fill(sequence, payload, room);
    const hasRoom = costOf(payload) <= room;
    this.expect(hasRoom ? sequence - 1 : sequence);
    if (!hasRoom) return true;
    this.#top = sequence;
    this.#keep({ sequence, payload }, this.#held.length);
    return true;
  }

  /** Takes a frame that was missing, for {@link take}. Returns false where it is not missing. */
  fill(sequence: number, payload: Uint8Array, room: number): boolean {
    if (!this.missing.has(sequence)) return false;
    if (costOf(payload) > room && sequence !== this.missing.first) return true; // it stays missing
    this.missing.delete(sequence, sequence);
    this.#keep(
      { sequence, payload },
      firstIndex(this.#held.length, (i) => this.#held[i]!.sequence < sequence),
    );
    return true;
  }

  /** The sender has sent up to this sequence. Returns whether some of it is missing. */
  expect(last: number): boolean {
    if (last <= this.#top) return false;
    this.missing.add(this.#top + 1, last);
    this.#top = last;
    return true;
  }

  /** The sender starts anew above this sequence, and said so: what is missing below is no loss. */
  skipTo(base: number): void {
    if (base <= this.#top) return;
    if (this.isWhole) this.#done = base;
    this.#top = base;
  }

  /** These are no loss. */
  void(from: number, to: number): void {
    this.missing.delete(from, to);
  }

  /** These are lost. Returns how many of them are known to be a loss, and whether others may be one. */
  giveUp(from = 0, to = this.#top): Loss {
    const lost = this.missing.delete(from, to);
    for (const range of lost) if (range[1] - range[0] >= SUSPICIOUS_JUMP) this.#jump = range;
    const known = lost.reduce((sum, [low, high]) => sum + Math.max(0, high - Math.max(low, this.#knownFrom) + 1), 0);
    return { known, mayBeMore: lost.some(([low]) => low < this.#knownFrom) };
  }

  /** The sender never sent these: a damaged frame or claim raised the top. Returns whether frames are dropped. */
  takeBack(from: number): boolean {
    this.missing.delete(from, this.#top);
    this.#top = Math.max(this.#done, Math.min(this.#top, from - 1));
    const kept = this.#held.filter(({ sequence }) => sequence <= this.#top);
    const isDropped = kept.length < this.#held.length;
    this.#held = kept;
    this.heldBytes = kept.reduce((sum, { payload }) => sum + costOf(payload), 0);
    return isDropped;
  }

  /** The next held frame with nothing missing before it. */
  take(): Uint8Array | undefined {
    const first = this.missing.first ?? this.#top + 1;
    const next = this.#held[0];
    if (!next || next.sequence >= first) {
      this.#done = first - 1;
      return undefined;
    }
    this.#held.shift();
    this.#done = next.sequence;
    this.heldBytes -= costOf(next.payload);
    return next.payload;
  }

  #keep(frame: HeldFrame, at: number): void {
    this.#held.splice(at, 0, frame);
    this.heldBytes += costOf(frame.payload);
  }

  /** A sequence within the jump proves that the frame above it was damaged. */
  #takeBackJump(sequence: number): void {
    const jump = this.#jump;
    if (!jump || sequence < jump[0] || sequence === jump[1] + 1) return;
    this.#jump = undefined;
    if (sequence > jump[1] || !this.isWhole) return;
    this.#done = jump[0] - 1;
    this.#top = this.#done;
  }
}
