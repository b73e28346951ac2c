import type { ProcessId } from '@hubline/server/backplane';
import type { Frame } from './frame.ts';

export interface BufferedFrame {
  readonly channel: string;
  readonly frame: Frame;
  readonly at: number;
}

/** Approximate memory of a buffered frame beside its payload. */
const FRAME_BYTES = 256;

/** Buffers frames of processes that are not known yet, up to a bound over all of them. */
export class UnknownSenders {
  readonly #maxBytes: number;
  readonly #frames = new Map<ProcessId, BufferedFrame[]>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Without room the frame is dropped: the sequence of the next one shows it. */
  add(process: ProcessId, channel: string, frame: Frame): void {
    const cost = costOf(frame);
    if (this.#bytes + cost > this.#maxBytes) return;
    this.#bytes += cost;
    const frames = this.#frames.get(process);
    const entry = { channel, frame, at: performance.now() };
    if (frames) frames.push(entry);
    else this.#frames.set(process, [entry]);
  }

  /** Removes the frames of a process, in their order. */
  take(process: ProcessId): readonly BufferedFrame[] {
    const frames = this.#frames.get(process) ?? [];
    this.#frames.delete(process);
    for (const { frame } of frames) this.#bytes -= costOf(frame);
    return frames;
  }

  /** Drops frames of processes that stayed unknown for this long. */
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
