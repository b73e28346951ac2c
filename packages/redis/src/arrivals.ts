import type { LinkObserver, ProcessId } from '@hubline/server/backplane';
import { decodeFrame, type Frame } from './frame.ts';
import { numberIn, processIn } from './keys.ts';
import { BUFFER_BYTES } from './options.ts';

export type Deliver = (payload: Uint8Array, from: ProcessId) => void;

export interface ArrivalsOptions {
  readonly self: ProcessId;
  /** Who hears a channel here. */
  readonly deliverOf: (channel: string) => Deliver | undefined;
  /** Whether this incarnation, or a later one of its process, has been announced. */
  readonly isKnown: (process: ProcessId, n: number) => boolean;
  /** Somebody speaks who is not known (again) yet. */
  readonly stranger: (process: ProcessId) => void;
  readonly gap: LinkObserver['gap'];
  readonly report: LinkObserver['report'];
}

type Early = readonly [channel: string, frame: Frame, at: number];

/** What a frame that is kept costs beside its payload, in bytes, more or less. */
const FRAME_BYTES = 256;

/** What arrives on channels: each sender's messages once and in order, none before he is announced. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  /** The last sequence heard, by channel and sender. */
  readonly #heard = new Map<string, Map<ProcessId, number>>();
  readonly #early = new Map<ProcessId, Early[]>();
  /** No more than BUFFER_BYTES are kept of what strangers say until they are announced, over all of them. */
  #earlyBytes = 0;
  /** What senders said that they had sent, and what had not been heard by then. */
  readonly #claims = new Map<ProcessId, Readonly<Record<string, number>>>();

  constructor(options: ArrivalsOptions) {
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

  /** The process is announced: what it said before that comes now. */
  announced(process: ProcessId): void {
    const early = this.#early.get(process) ?? [];
    this.#early.delete(process);
    this.#earlyBytes -= bytesOf(early);
    for (const [channel, frame] of early) {
      if (this.#options.isKnown(process, numberIn(frame.origin))) this.#accept(channel, frame, process);
      else this.#keep(process, channel, frame);
    }
  }

  /** What nobody explained within this time is given up. */
  forgetEarly(ageMs: number): void {
    const until = performance.now() - ageMs;
    for (const [process, early] of this.#early) {
      const kept = early.filter(([, , at]) => at >= until);
      this.#earlyBytes -= bytesOf(early) - bytesOf(kept);
      if (kept.length > 0) this.#early.set(process, kept);
      else this.#early.delete(process);
    }
  }

  /** What senders said before an outage, theirs or ours, is not what they will send after it. */
  forgetClaims(process?: ProcessId): void {
    if (process === undefined) this.#claims.clear();
    else this.#claims.delete(process);
  }
  /** The channel is no longer heard: what is missing when it is heard again was not for us. */
  forgetChannel(channel: string): void {
    this.#heard.delete(channel);
  }
  forgetProcess(process: ProcessId): void {
    this.#claims.delete(process);
    for (const heard of this.#heard.values()) heard.delete(process);
  }

  /**
   * A sender says how far it is on some channels. What was not heard by the next time it says so is lost: channels of several
   * shards have no order among them, so this message may be ahead of others.
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
    if (last !== undefined && sequence <= last) return; // sent again, since its sender could not know that it had arrived
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
    if (bytes > BUFFER_BYTES) return; // it is missing in the sequence, and reported as a gap
    this.#earlyBytes = bytes;
    early.push(entry);
  }
}

const bytesOf = (early: readonly Early[]): number => early.reduce((sum, [, { payload }]) => sum + payload.length + FRAME_BYTES, 0);
