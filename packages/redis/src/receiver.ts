import type { LinkObserver, ProcessId } from '@hubline/server/backplane';
import { decodeFrame, type Frame } from './frame.ts';
import { numberIn, processIn } from './keys.ts';
import { BUFFER_BYTES } from './options.ts';

export type Deliver = (payload: Uint8Array, from: ProcessId) => void;

export interface ReceiverOptions {
  readonly self: ProcessId;
  /** The local listener of a channel. */
  readonly deliverOf: (channel: string) => Deliver | undefined;
  /** Whether this incarnation, or a later one of its process, is a known node. */
  readonly isKnown: (process: ProcessId, n: number) => boolean;
  /** Called once for the first frame of an unknown process. */
  readonly stranger: (process: ProcessId) => void;
  readonly gap: LinkObserver['gap'];
  readonly report: LinkObserver['report'];
}

type Early = readonly [channel: string, frame: Frame, at: number];

/** Approximate memory of a buffered frame beside its payload. */
const FRAME_BYTES = 256;

/** Delivers each sender's frames once and in order, and buffers frames of unknown nodes until they are announced. */
export class Receiver {
  readonly #options: ReceiverOptions;
  /** The last sequence heard, by channel and sender. */
  readonly #heard = new Map<string, Map<ProcessId, number>>();
  readonly #early = new Map<ProcessId, Early[]>();
  /** Frames from unknown nodes are buffered up to BUFFER_BYTES, over all of them. */
  #earlyBytes = 0;
  /** By sender: the last sequence per channel that its latest heartbeat named. */
  readonly #claims = new Map<ProcessId, Readonly<Record<string, number>>>();

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  receive(channel: string, bytes: Buffer): void {
    try {
      const frame = decodeFrame(bytes);
      const process = processIn(frame.origin);
      if (process === this.#options.self) return;
      if (!this.#options.isKnown(process, numberIn(frame.origin))) this.#keep(process, channel, frame);
      else this.#accept(channel, frame, process);
    } catch (error) {
      this.#options.report('deliver', error);
    }
  }

  /** Delivers the buffered frames of a process that has become known. */
  announced(process: ProcessId): void {
    const early = this.#early.get(process) ?? [];
    this.#early.delete(process);
    this.#earlyBytes -= bytesOf(early);
    for (const [channel, frame] of early) {
      if (this.#options.isKnown(process, numberIn(frame.origin))) this.#accept(channel, frame, process);
      else this.#keep(process, channel, frame);
    }
  }

  /** Drops buffered frames of processes that stayed unknown for this long. */
  forgetEarly(ageMs: number): void {
    const until = performance.now() - ageMs;
    for (const [process, early] of this.#early) {
      const kept = early.filter(([, , at]) => at >= until);
      this.#earlyBytes -= bytesOf(early) - bytesOf(kept);
      if (kept.length > 0) this.#early.set(process, kept);
      else this.#early.delete(process);
    }
  }

  /** Claims from before an outage, of the sender or of this node, do not hold after it. */
  forgetClaims(process?: ProcessId): void {
    if (process === undefined) this.#claims.clear();
    else this.#claims.delete(process);
  }
  /** The channel is unsubscribed: sequences that are missing when it is subscribed again are no loss. */
  forgetChannel(channel: string): void {
    this.#heard.delete(channel);
  }
  forgetProcess(process: ProcessId): void {
    this.#claims.delete(process);
    for (const heard of this.#heard.values()) heard.delete(process);
  }

  /**
   * A sender's heartbeat names its last sequence per channel. A sequence not received by the sender's next heartbeat is lost; one
   * heartbeat is not enough, since it may overtake frames of another shard.
   */
  claimed(process: ProcessId, claims: Readonly<Record<string, number>>, ms: number): void {
    for (const [channel, sequence] of Object.entries(this.#claims.get(process) ?? {})) {
      const heard = this.#heard.get(channel)?.get(process);
      if (heard === undefined || heard >= sequence) continue;
      this.#options.gap({ channel, lost: sequence - heard, ms });
      this.#heard.get(channel)?.set(process, sequence);
    }
    this.#claims.set(process, claims);
  }

  #accept(channel: string, { sequence, isFirst, payload }: Frame, process: ProcessId): void {
    const deliver = this.#options.deliverOf(channel);
    if (!deliver) return;
    let heard = this.#heard.get(channel);
    if (!heard) this.#heard.set(channel, (heard = new Map<ProcessId, number>()));
    const last = heard.get(process);
    if (last !== undefined && sequence <= last) return; // a second copy: its sender's acknowledgement was lost
    heard.set(process, sequence);
    if (last !== undefined && !isFirst && sequence > last + 1) this.#options.gap({ channel, lost: sequence - last - 1, ms: 0 });
    try {
      deliver(payload, process);
    } catch (error) {
      this.#options.report('deliver', error);
    }
  }

  #keep(process: ProcessId, channel: string, frame: Frame): void {
    let early = this.#early.get(process);
    if (!early) {
      this.#early.set(process, (early = []));
      this.#options.stranger(process);
    }
    const entry: Early = [channel, frame, performance.now()];
    const bytes = this.#earlyBytes + bytesOf([entry]);
    if (bytes > BUFFER_BYTES) return; // the next frame shows it as a gap
    this.#earlyBytes = bytes;
    early.push(entry);
  }
}

const bytesOf = (early: readonly Early[]): number => early.reduce((sum, [, { payload }]) => sum + payload.length + FRAME_BYTES, 0);
