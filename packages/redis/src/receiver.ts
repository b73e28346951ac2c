import type { LinkObserver, ProcessId } from '@hubline/server/backplane';
import { isFirst, isKept, type Frame } from './frame.ts';
import { numberIn, processIn } from './keys.ts';
import { BUFFER_BYTES } from './options.ts';
import type { Range } from './ranges.ts';
import { Reception } from './reception.ts';
import { Strangers } from './strangers.ts';

export type Deliver = (payload: Uint8Array, from: ProcessId) => void;

export interface ReceiverOptions {
  readonly self: ProcessId;
  /** The local listener of a channel. */
  readonly deliverOf: (channel: string) => Deliver | undefined;
  /** Whether this incarnation, or a later one of its process, is a known node. */
  readonly isKnown: (process: ProcessId, n: number) => boolean;
  /** Called for every frame of an unknown process. */
  readonly stranger: () => void;
  /** A sender that keeps its frames has a hole on a channel. */
  readonly hole: (process: ProcessId) => void;
  /** It cannot be known whether frames on a channel were for this node, which subscribed to it at this time. */
  readonly unsure: (heardSinceMs: number) => void;
  /** Milliseconds in which this node's link was up: channels are heard only then. */
  readonly heardMs: () => number;
  readonly gap: LinkObserver['gap'];
  readonly report: LinkObserver['report'];
}

/** Why sequences will not come. */
export type Verdict = 'gone' | 'void' | 'unsent';

/** A first frame that is not the sender's first asks for at most this many before it. */
const GUESS = 1000;
/** A gap of more messages than this has no length: a damaged sequence is more likely. */
const MAX_LOST = 1_000_000;

/**
 * Delivers each sender's frames once and in order. A frame after a hole is held until the hole is filled or given up. Frames of
 * unknown processes are buffered until these are announced.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  /** By channel and sender. */
  readonly #receptions = new Map<string, Map<ProcessId, Reception>>();
  /** Channels with holes, by sender. */
  readonly #open = new Map<ProcessId, Set<string>>();
  readonly #strangers = new Strangers(BUFFER_BYTES);
  /** When each channel was subscribed, by `heardMs`. */
  readonly #heardSince = new Map<string, number>();
  /** For how long each sender keeps its frames. */
  readonly #windows = new Map<ProcessId, number>();
  #heldBytes = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  receive(channel: string, frame: Frame): void {
    const process = processIn(frame.origin);
    if (process === this.#options.self) return;
    if (this.#options.isKnown(process, numberIn(frame.origin))) this.#accept(channel, frame, process);
    else {
      this.#strangers.add(process, channel, frame);
      this.#options.stranger();
    }
  }

  /** Delivers the buffered frames of a process that has become known. */
  announced(process: ProcessId): void {
    for (const { channel, frame } of this.#strangers.take(process)) this.receive(channel, frame);
  }
  /** Drops buffered frames of processes that stayed unknown for this long. */
  forgetStrangers(ageMs: number): void {
    this.#strangers.forget(ageMs);
  }

  /** A channel's subscription is acknowledged. */
  subscribed(channel: string): void {
    if (!this.#heardSince.has(channel)) this.#heardSince.set(channel, this.#options.heardMs());
  }
  /** The channel is closed: sequences that are missing when it is subscribed again are no loss. */
  forgetChannel(channel: string): void {
    this.#heardSince.delete(channel);
    for (const [process, { heldBytes }] of this.#receptions.get(channel) ?? []) {
      this.#heldBytes -= heldBytes;
      this.#close(process, channel);
    }
    this.#receptions.delete(channel);
  }
  forgetProcess(process: ProcessId): void {
    this.giveUp(process);
    this.#windows.delete(process);
    for (const receptions of this.#receptions.values()) receptions.delete(process);
  }

  /** How long a sender says that it keeps its frames. */
  keeps(process: ProcessId, ms: number): void {
    this.#windows.set(process, ms);
  }
  /** Whether a process has said that it keeps its frames. */
  repairs(process: ProcessId): boolean {
    return (this.#windows.get(process) ?? 0) > 0;
  }

  /**
   * A sender names the sequence before its first kept frame on a channel, and its last one. Where the channel was not heard for as
   * long as the frames are kept, they may be older than its subscription.
   */
  claimed(process: ProcessId, channel: string, [base, last]: Range): void {
    if (!this.#options.deliverOf(channel)) return;
    let reception = this.#receptions.get(channel)?.get(process);
    if (!reception) {
      const isSure = base === last || this.#heardThroughout(process, channel);
      if (!isSure) this.#unsure(channel);
      reception = this.#begin(channel, process, new Reception(isSure ? base : last, { at: performance.now() }));
    }
    if (reception.expect(last)) this.#opened(process, channel);
    else if (reception.isWhole && reception.top === last) reception.heardAt = performance.now();
  }

  /** The missing sequences of a sender, by channel. */
  *missing(process: ProcessId): Generator<readonly [channel: string, reception: Reception]> {
    for (const channel of this.#open.get(process) ?? []) {
      const reception = this.#receptions.get(channel)?.get(process);
      if (reception) yield [channel, reception];
    }
  }

  /** A frame that the sender published again for this node: taken only where it is missing. */
  repaired(process: ProcessId, channel: string, { sequence, payload }: Frame): void {
    const reception = this.#receptions.get(channel)?.get(process);
    if (reception) this.#change(reception, () => reception.fill(sequence, payload, BUFFER_BYTES - this.#heldBytes));
  }

  /** The sender says why it does not send these. */
  settle(process: ProcessId, channel: string, { verdict, range: [from, to] }: { readonly verdict: Verdict; readonly range: Range }): void {
    const reception = this.#receptions.get(channel)?.get(process);
    if (!reception) return;
    this.#change(reception, () => {
      if (verdict === 'void') reception.void(from, to);
      else if (verdict === 'gone') this.#tell(channel, reception, reception.giveUp(from, to));
      else if (reception.missing.has(from) && reception.takeBack(from)) this.#tell(channel, reception, MAX_LOST + 1);
    });
  }

  /** Delivers what the sender's holes held up, after a part of an answer or a verdict. */
  proceed(process: ProcessId, channel: string): void {
    const reception = this.#receptions.get(channel)?.get(process);
    if (reception) this.#deliverHeld(channel, process, reception);
  }

  /** The sender cannot be asked: its holes are gaps. */
  giveUp(process: ProcessId): void {
    for (const [channel, reception] of [...this.missing(process)]) {
      this.#tell(channel, reception, reception.giveUp());
      this.#deliverHeld(channel, process, reception);
    }
    this.#open.delete(process);
  }

  #accept(channel: string, frame: Frame, process: ProcessId): void {
    const { sequence, kind, payload } = frame;
    const deliver = this.#options.deliverOf(channel);
    if (!deliver) return;
    const reception = this.#receptions.get(channel)?.get(process) ?? this.#first(channel, process, frame);
    if (reception.isNext(sequence)) {
      reception.advance(performance.now());
      return this.#deliver(deliver, payload, process);
    }
    if (isFirst(kind) && !isKept(kind)) reception.skipTo(sequence - 1);
    this.#change(reception, () => reception.hold(sequence, payload, BUFFER_BYTES - this.#heldBytes));
    if (reception.missing.isEmpty || isKept(kind)) {
      if (!reception.missing.isEmpty) this.#opened(process, channel);
    } else this.#tell(channel, reception, reception.giveUp());
    this.#deliverHeld(channel, process, reception);
  }

  /** The first frame of a sender on a channel. Earlier ones are missing where the channel was heard for as long as they are kept. */
  #first(channel: string, process: ProcessId, { kind, sequence }: Frame): Reception {
    const at = performance.now();
    const isLate = isKept(kind) && !isFirst(kind);
    const isGuess = isLate && this.#heardThroughout(process, channel);
    if (isLate && !isGuess) this.#unsure(channel);
    const base = isGuess ? Math.max(0, sequence - 1 - GUESS) : sequence - 1;
    return this.#begin(channel, process, new Reception(base, { at, knownFrom: sequence }));
  }

  #unsure(channel: string): void {
    const since = this.#heardSince.get(channel);
    if (since !== undefined) this.#options.unsure(since);
  }

  /** Whether this node has heard the channel for as long as the sender keeps its frames. */
  #heardThroughout(process: ProcessId, channel: string): boolean {
    const since = this.#heardSince.get(channel);
    const windowMs = this.#windows.get(process);
    return since !== undefined && windowMs !== undefined && windowMs > 0 && this.#options.heardMs() - since >= windowMs;
  }

  #begin(channel: string, process: ProcessId, reception: Reception): Reception {
    let receptions = this.#receptions.get(channel);
    if (!receptions) this.#receptions.set(channel, (receptions = new Map<ProcessId, Reception>()));
    receptions.set(process, reception);
    return reception;
  }

  #deliverHeld(channel: string, process: ProcessId, reception: Reception): void {
    for (;;) {
      const deliver = this.#options.deliverOf(channel);
      if (!deliver || this.#receptions.get(channel)?.get(process) !== reception) return; // the last message closed it
      const payload = this.#change(reception, () => reception.take());
      if (!payload) break;
      this.#deliver(deliver, payload, process);
    }
    if (!reception.missing.isEmpty) return;
    reception.heardAt = performance.now();
    this.#close(process, channel);
  }

  #deliver(deliver: Deliver, payload: Uint8Array, process: ProcessId): void {
    try {
      deliver(payload, process);
    } catch (error) {
      this.#options.report('deliver', error);
    }
  }

  /** Keeps the sum of held bytes. */
  #change<T>(reception: Reception, change: () => T): T {
    const before = reception.heldBytes;
    const result = change();
    this.#heldBytes += reception.heldBytes - before;
    return result;
  }

  #opened(process: ProcessId, channel: string): void {
    const channels = this.#open.get(process);
    if (channels) channels.add(channel);
    else this.#open.set(process, new Set([channel]));
    this.#options.hole(process);
  }
  #close(process: ProcessId, channel: string): void {
    const channels = this.#open.get(process);
    if (channels?.delete(channel) && channels.size === 0) this.#open.delete(process);
  }

  #tell(channel: string, { heardAt }: Reception, lost: number): void {
    if (lost === 0) return;
    const ms = Math.round(performance.now() - heardAt);
    this.#options.gap({ channel, ...(lost <= MAX_LOST ? { lost } : {}), ms });
  }
}
