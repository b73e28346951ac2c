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

/** A jump of at least this many sequences is undone if a frame with a lower sequence follows. */
const SUSPICIOUS_JUMP = 1000;
/** The approximate memory of a held frame without its payload, in bytes. */
const FRAME_BYTES = 256;
const costOf = (payload: Uint8Array): number => payload.length + FRAME_BYTES;

/**
 * Tracks the frames of one sender on one channel. All frames up to the sequence `done` are delivered or given up. Those from there to
 * `top` are missing, or held because an earlier one is missing.
 */
export class ReceiveWindow {
  readonly missing = new RangeSet();
  /** When the last frame was received while none was missing. */
  receivedAt: number;
  heldBytes = 0;
  #done: number;
  #top: number;
  /** Held frames, ascending. */
  #held: HeldFrame[] = [];
  /** Frames with a lower sequence may be older than the subscription, so that no loss of them is known. */
  readonly #knownFrom: number;
  /** The missing range of the last suspicious jump that was given up. */
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

  /** Whether this is the next frame and none is missing. Such a frame is delivered at once. */
  isNext(sequence: number): boolean {
    return sequence === this.#top + 1 && this.isWhole;
  }
  advance(at: number): void {
    this.#jump = undefined;
    this.#top++;
    this.#done++;
    this.receivedAt = at;
  }

  /** Holds a frame for {@link take}; without room it counts as missing. Returns false for a frame that was received before. */
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

  /** Holds a missing frame for {@link take}. Returns false if the frame is not missing. */
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

  /** Marks all sequences up to the sender's last one as missing. Returns false if there are none above those known. */
  expect(last: number): boolean {
    if (last <= this.#top) return false;
    this.missing.add(this.#top + 1, last);
    this.#top = last;
    return true;
  }

  /** Skips to the sequence before a sender's first one: frames below it are no loss. */
  skipTo(base: number): void {
    if (base <= this.#top) return;
    if (this.isWhole) this.#done = base;
    this.#top = base;
  }

  /** Removes sequences that are no loss from the missing ones. */
  void(from: number, to: number): void {
    this.missing.delete(from, to);
  }

  /** Gives up missing frames. Returns how many are known to be lost, and whether more may be. */
  giveUp(from = 0, to = this.#top): Loss {
    const lost = this.missing.delete(from, to);
    for (const range of lost) if (range[1] - range[0] >= SUSPICIOUS_JUMP) this.#jump = range;
    const known = lost.reduce((sum, [low, high]) => sum + Math.max(0, high - Math.max(low, this.#knownFrom) + 1), 0);
    return { known, mayBeMore: lost.some(([low]) => low < this.#knownFrom) };
  }

  /** Lowers the top after a damaged frame or claim has raised it to sequences that were never sent. Returns whether held frames are dropped. */
  takeBack(from: number): boolean {
    this.missing.delete(from, this.#top);
    this.#top = Math.max(this.#done, Math.min(this.#top, from - 1));
    const kept = this.#held.filter(({ sequence }) => sequence <= this.#top);
    const isDropped = kept.length < this.#held.length;
    this.#held = kept;
    this.heldBytes = kept.reduce((sum, { payload }) => sum + costOf(payload), 0);
    return isDropped;
  }

  /** Removes and returns the next held frame, unless an earlier one is missing. */
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

  /** Undoes a jump if a sequence within it follows: the frame above it was damaged. */
  #takeBackJump(sequence: number): void {
    const jump = this.#jump;
    if (!jump || sequence < jump[0] || sequence === jump[1] + 1) return;
    this.#jump = undefined;
    if (sequence > jump[1] || !this.isWhole) return;
    this.#done = jump[0] - 1;
    this.#top = this.#done;
  }
}
