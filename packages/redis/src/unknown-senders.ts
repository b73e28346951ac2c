import type { ProcessId } from '@hubline/server/backplane';
import type { Frame } from './frame.ts';

export interface BufferedFrame {
  readonly channel: string;
  readonly frame: Frame;
  readonly at: number;
}

/** The approximate memory of a buffered frame without its payload, in bytes. */
const FRAME_BYTES = 256;

/** Buffers frames of processes that are not known yet, up to a bound over all processes. */
export class UnknownSenders {
  readonly #maxBytes: number;
  readonly #frames = new Map<ProcessId, BufferedFrame[]>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Buffers a frame; without room the frame is dropped, and the next sequence of its sender shows that. */
  add(process: ProcessId, channel: string, frame: Frame): void {
    const cost = costOf(frame);
    if (this.#bytes + cost > this.#maxBytes) return;
    this.#bytes += cost;
    const frames = this.#frames.get(process);
    const entry = { channel, frame, at: performance.now() };
    if (frames) frames.push(entry);
    else this.#frames.set(process, [entry]);
  }

  /** Removes and returns the frames of a process, in their order. */
  take(process: ProcessId): readonly BufferedFrame[] {
    const frames = this.#frames.get(process) ?? [];
    this.#frames.delete(process);
    for (const { frame } of frames) this.#bytes -= costOf(frame);
    return frames;
  }

  /** Drops frames that were buffered for longer than `ageMs`. */
  forget(ageMs: number): void {
    const until = performance.now() - ageMs;
    for (const [process, frames] of this.#frames) {
      const kept = frames.filter(({ at }) => at >= until);
      if (kept.length === frames.length) continue;
      this.take(process);
      for (const { frame } of kept) this.#bytes += costOf(frame);
      if (kept.length > 0) this.#frames.set(process, kept);
    }
  }
}

const costOf = ({ payload }: Frame): number => payload.length + FRAME_BYTES;
