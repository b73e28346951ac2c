import type { LinkObserver, ProcessId } from '@hubline/server/backplane';
import type { Channels, Deliver } from './channels.ts';
import { damaged } from './decoding.ts';
import { isFirst, isKept, type Frame } from './frame.ts';
import { numberIn, processIn } from './keys.ts';
import { BUFFER_BYTES } from './options.ts';
import type { Range } from './ranges.ts';
import { Reception, type Loss } from './reception.ts';
import type { Missing } from './repair-message.ts';
import { Strangers } from './strangers.ts';

export interface ReceiverOptions {
  readonly self: ProcessId;
  readonly channels: Channels;
  /** Whether this incarnation, or a later one of its process, is a known node. */
  readonly isKnown: (process: ProcessId, n: number) => boolean;
  /** Called for every frame of an unknown process. */
  readonly stranger: () => void;
  /** A sender that keeps its frames has a hole on a channel. */
  readonly hole: (process: ProcessId) => void;
  /** Frames are not kept any more of which it is not known whether they were for this node. */
  readonly unsure: () => void;
  readonly gap: LinkObserver['gap'];
  readonly report: LinkObserver['report'];
  /** Reports a frame that cannot be right. */
  readonly unreadable: (error: unknown) => void;
}

/** Why sequences will not come. */
export type Verdict = 'gone' | 'void' | 'unsent';

/** The longest way of an ask that is expected: frames that were sent so shortly before the subscription are asked for too. */
export const ASK_MS = 50;
/** A first frame that is not the sender's first asks for at most this many before it. */
const GUESS = 1000;
/** Holes of one sender on a channel that an answer may leave: the time to fill one grows with their number. */
const MAX_HOLES = 10_000;
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

  /** The channel is closed: sequences that are missing when it is subscribed again are no loss. */
  forgetChannel(channel: string): void {
    for (const [process, { heldBytes }] of this.#receptions.get(channel) ?? []) {
      this.#heldBytes -= heldBytes;
      this.#close(process, channel);
    }
    this.#receptions.delete(channel);
  }
  forgetProcess(process: ProcessId): void {
    this.giveUp(process);
    for (const receptions of this.#receptions.values()) receptions.delete(process);
  }

  /**
   * A sender names the sequence before its first kept frame on a channel, and its last one. Of a sender that was not heard on it, some
   * may be older than the subscription.
   */
  claimed(process: ProcessId, channel: string, [base, last]: Range): void {
    if (!this.#options.channels.deliverOf(channel)) return;
    const known = this.#receptions.get(channel)?.get(process);
    const reception =
      known?.isKept ? known : (
        this.#begin(channel, process, new Reception(base, { at: performance.now(), isKept: true, knownFrom: last + 1 }))
      );
    if (reception.expect(last)) this.#opened(process, channel);
    else if (reception.isWhole && reception.top === last) reception.heardAt = performance.now();
  }

  /** The missing sequences of a sender, by channel: up to so many ranges of each. */
  *missing(process: ProcessId, ranges: number): Generator<readonly [channel: string, missing: Missing]> {
    for (const [channel, reception] of this.#holesOf(process)) {
      const withinMs = reception.isGuess ? { withinMs: this.#options.channels.ageMs(channel) + ASK_MS } : {};
      yield [channel, { ranges: reception.missing.slice(ranges), ...withinMs }];
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
      if (reception.missing.count > MAX_HOLES) this.#tell(channel, reception, reception.giveUp());
      else if (verdict === 'void') reception.void(from, to);
      else if (verdict === 'gone') this.#tell(channel, reception, reception.giveUp(from, to));
      else if (reception.missing.has(from) && reception.takeBack(from))
        this.#tell(channel, reception, { known: MAX_LOST + 1, isUnsure: false });
    });
  }

  /** Delivers what the sender's holes held up, after a part of an answer or a verdict. */
  proceed(process: ProcessId, channel: string): void {
    const reception = this.#receptions.get(channel)?.get(process);
    if (reception) this.#deliverHeld(channel, process, reception);
  }

  /** The sender cannot be asked: its holes are gaps. */
  giveUp(process: ProcessId): void {
    for (const [channel, reception] of [...this.#holesOf(process)]) {
      this.#tell(channel, reception, reception.giveUp());
      this.#deliverHeld(channel, process, reception);
    }
    this.#open.delete(process);
  }

  #accept(channel: string, frame: Frame, process: ProcessId): void {
    const { sequence, kind, payload } = frame;
    const deliver = this.#options.channels.deliverOf(channel);
    if (!deliver) return;
    const known = this.#receptions.get(channel)?.get(process);
    if (known?.isKept && !isKept(kind)) return this.#options.unreadable(damaged('frame', 'not kept, of a sender that keeps its frames'));
    const reception = known && known.isKept === isKept(kind) ? known : this.#first(channel, process, frame);
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

  /** The first frame of a sender on a channel: some before it may have been missed, since the subscription. */
  #first(channel: string, process: ProcessId, { kind, sequence }: Frame): Reception {
    const base = isKept(kind) && !isFirst(kind) ? Math.max(0, sequence - 1 - GUESS) : sequence - 1;
    return this.#begin(channel, process, new Reception(base, { at: performance.now(), isKept: isKept(kind), knownFrom: sequence }));
  }

  *#holesOf(process: ProcessId): Generator<readonly [channel: string, reception: Reception]> {
    for (const channel of this.#open.get(process) ?? []) {
      const reception = this.#receptions.get(channel)?.get(process);
      if (reception) yield [channel, reception];
    }
  }

  #begin(channel: string, process: ProcessId, reception: Reception): Reception {
    let receptions = this.#receptions.get(channel);
    if (!receptions) this.#receptions.set(channel, (receptions = new Map<ProcessId, Reception>()));
    receptions.set(process, reception);
    return reception;
  }

  #deliverHeld(channel: string, process: ProcessId, reception: Reception): void {
    for (;;) {
      const deliver = this.#options.channels.deliverOf(channel);
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

  #tell(channel: string, { heardAt }: Reception, { known: lost, isUnsure }: Loss): void {
    if (isUnsure) this.#options.unsure();
    if (lost === 0) return;
    const ms = Math.round(performance.now() - heardAt);
    this.#options.gap({ channel, ...(lost <= MAX_LOST ? { lost } : {}), ms });
  }
}
