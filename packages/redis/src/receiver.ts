import type { ProcessId } from '@hubline/server/backplane';
import type { Channels, Deliver } from './channels.ts';
import { damaged } from './decoding.ts';
import { isFirst, isKept, type Frame } from './frame.ts';
import { numberIn, processIn } from './keys.ts';
import type { LinkContext } from './link-context.ts';
import { BUFFER_BYTES } from './options.ts';
import type { Peers } from './peers.ts';
import type { Range } from './ranges.ts';
import { ReceiveWindow, type Loss } from './receive-window.ts';
import type { Missing } from './repair-message.ts';
import { throttled } from './throttled.ts';
import { UnknownSenders } from './unknown-senders.ts';

export interface ReceiverOptions extends Pick<LinkContext, 'self' | 'observer' | 'unreadable' | 'events'> {
  readonly channels: Channels;
  readonly peers: Pick<Peers, 'isKnown'>;
  readonly repair: MissingFrames;
}

/** Handles frames that a receiver finds missing. */
export interface MissingFrames {
  /** Requests the missing frames of a sender that keeps its frames. */
  requestMissing(process: ProcessId): void;
  /** Handles frames that their sender no longer keeps, and that may have been sent since this node subscribed. */
  expectUnknownLoss(): void;
}

/** The sender's reason for not sending sequences again. */
export type AbsenceReason = 'gone' | 'void' | 'unsent';

/** Frames of unknown processes make this node read the leases at most this often. */
const LEASES_MS = 250;
/** The expected delay of a request. Frames that were sent this long before a subscription are requested too, in milliseconds. */
export const ASK_MS = 50;
/** If the first received frame is not the sender's first one, at most this many frames before it are requested. */
const LOOKBACK = 1000;
/** The most missing ranges of one sender on a channel that an answer may leave: the time to fill one grows with their number. */
const MAX_HOLES = 10_000;
/** A gap of more messages is reported without its length: a damaged sequence is more likely. */
const MAX_LOST = 1_000_000;

/**
 * Delivers each sender's frames once and in order. Frames after a missing one are held until it arrives or is given up. Frames of unknown
 * processes are buffered until these are announced.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  /** Receive windows by channel and sender. */
  readonly #windows = new Map<string, Map<ProcessId, ReceiveWindow>>();
  /** Channels with holes, by sender. */
  readonly #channelsWithHoles = new Map<ProcessId, Set<string>>();
  readonly #unknownSenders = new UnknownSenders(BUFFER_BYTES);
  #heldBytes = 0;

  readonly #readLeases = throttled(LEASES_MS, () => this.#options.events.leasesMayHaveChanged());

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  receive(channel: string, frame: Frame): void {
    const process = processIn(frame.origin);
    const { self, peers } = this.#options;
    if (process === self.process) return;
    if (peers.isKnown(process, numberIn(frame.origin))) this.#accept(channel, frame, process);
    else {
      this.#unknownSenders.add(process, channel, frame);
      this.#readLeases();
    }
  }

  /** Delivers the buffered frames of a process that has become known. */
  announced(process: ProcessId): void {
    for (const { channel, frame } of this.#unknownSenders.take(process)) this.receive(channel, frame);
  }
  /** Drops frames of unknown processes that were buffered for longer than `ageMs`. */
  forgetUnknownSenders(ageMs: number): void {
    this.#unknownSenders.forget(ageMs);
  }

  /** Forgets a channel that was closed: frames that are missing when it is subscribed again are no loss. */
  forgetChannel(channel: string): void {
    for (const [process, { heldBytes }] of this.#windows.get(channel) ?? []) {
      this.#heldBytes -= heldBytes;
      this.#removeHoles(process, channel);
    }
    this.#windows.delete(channel);
  }
  forgetProcess(process: ProcessId): void {
    this.giveUp(process);
    for (const windows of this.#windows.values()) windows.delete(process);
  }

  /**
   * Handles a claim: the sequence before the sender's first kept frame on a channel, and its last sequence. If no frame of the sender was
   * received on the channel, some of its frames may be older than the subscription.
   */
  claimed(process: ProcessId, channel: string, [base, last]: Range): void {
    if (!this.#options.channels.deliverOf(channel)) return;
    const known = this.#windows.get(channel)?.get(process);
    const window =
      known?.isKept ? known : (
        this.#begin(channel, process, new ReceiveWindow(base, { at: performance.now(), isKept: true, knownFrom: last + 1 }))
      );
    if (window.expect(last)) this.#addHoles(process, channel);
    else if (window.isWhole && window.top === last) window.receivedAt = performance.now();
  }

  /** Yields the missing sequences of a sender by channel, up to `ranges` ranges of each. */
  *missing(process: ProcessId, ranges: number): Generator<readonly [channel: string, missing: Missing]> {
    for (const [channel, window] of this.#windowsWithHoles(process)) {
      const withinMs = window.mayPredateSubscription ? { withinMs: this.#options.channels.ageMs(channel) + ASK_MS } : {};
      yield [channel, { ranges: window.missing.slice(ranges), ...withinMs }];
    }
  }

  /** Takes a frame that the sender published again for this node, if it is missing. */
  repaired(process: ProcessId, channel: string, { sequence, payload }: Frame): void {
    const window = this.#windows.get(channel)?.get(process);
    if (window) this.#change(window, () => window.fill(sequence, payload, BUFFER_BYTES - this.#heldBytes));
  }

  /** Handles the sender's reason for not sending sequences again. */
  handleAbsence(
    process: ProcessId,
    channel: string,
    { reason, range: [from, to] }: { readonly reason: AbsenceReason; readonly range: Range },
  ): void {
    const window = this.#windows.get(channel)?.get(process);
    if (!window) return;
    this.#change(window, () => {
      if (window.missing.count > MAX_HOLES) this.#reportLoss(channel, window, window.giveUp());
      else if (reason === 'void') window.void(from, to);
      else if (reason === 'gone') this.#reportLoss(channel, window, window.giveUp(from, to));
      else if (window.missing.has(from) && window.takeBack(from))
        this.#reportLoss(channel, window, { known: MAX_LOST + 1, mayBeMore: false });
    });
  }

  /** Delivers held frames of a sender that no longer follow a missing one. */
  deliverHeld(process: ProcessId, channel: string): void {
    const window = this.#windows.get(channel)?.get(process);
    if (window) this.#deliverHeld(channel, process, window);
  }

  /** Reports all missing frames of a sender as gaps, because it cannot send them again. */
  giveUp(process: ProcessId): void {
    for (const [channel, window] of [...this.#windowsWithHoles(process)]) {
      this.#reportLoss(channel, window, window.giveUp());
      this.#deliverHeld(channel, process, window);
    }
    this.#channelsWithHoles.delete(process);
  }

  #accept(channel: string, frame: Frame, process: ProcessId): void {
    const { sequence, kind, payload } = frame;
    const deliver = this.#options.channels.deliverOf(channel);
    if (!deliver) return;
    const known = this.#windows.get(channel)?.get(process);
    if (known?.isKept && !isKept(kind))
      return this.#options.unreadable.message('frame', damaged('frame', 'a frame without a copy from a sender that keeps copies'));
    const window = known && known.isKept === isKept(kind) ? known : this.#first(channel, process, frame);
    if (window.isNext(sequence)) {
      window.advance(performance.now());
      return this.#deliver(deliver, payload, process);
    }
    if (isFirst(kind) && !isKept(kind)) window.skipTo(sequence - 1);
    this.#change(window, () => window.hold(sequence, payload, BUFFER_BYTES - this.#heldBytes));
    if (window.missing.isEmpty || isKept(kind)) {
      if (!window.missing.isEmpty) this.#addHoles(process, channel);
    } else this.#reportLoss(channel, window, window.giveUp());
    this.#deliverHeld(channel, process, window);
  }

  /** Begins to receive a sender on a channel. Frames since the subscription and before this one may have been missed. */
  #first(channel: string, process: ProcessId, { kind, sequence }: Frame): ReceiveWindow {
    const base = isKept(kind) && !isFirst(kind) ? Math.max(0, sequence - 1 - LOOKBACK) : sequence - 1;
    return this.#begin(channel, process, new ReceiveWindow(base, { at: performance.now(), isKept: isKept(kind), knownFrom: sequence }));
  }

  *#windowsWithHoles(process: ProcessId): Generator<readonly [channel: string, window: ReceiveWindow]> {
    for (const channel of this.#channelsWithHoles.get(process) ?? []) {
      const window = this.#windows.get(channel)?.get(process);
      if (window) yield [channel, window];
    }
  }

  #begin(channel: string, process: ProcessId, window: ReceiveWindow): ReceiveWindow {
    let windows = this.#windows.get(channel);
    if (!windows) this.#windows.set(channel, (windows = new Map<ProcessId, ReceiveWindow>()));
    windows.set(process, window);
    return window;
  }

  #deliverHeld(channel: string, process: ProcessId, window: ReceiveWindow): void {
    for (;;) {
      const deliver = this.#options.channels.deliverOf(channel);
      if (!deliver || this.#windows.get(channel)?.get(process) !== window) return; // `deliver` has closed the channel
      const payload = this.#change(window, () => window.take());
      if (!payload) break;
      this.#deliver(deliver, payload, process);
    }
    if (!window.missing.isEmpty) return;
    window.receivedAt = performance.now();
    this.#removeHoles(process, channel);
  }

  #deliver(deliver: Deliver, payload: Uint8Array, process: ProcessId): void {
    try {
      deliver(payload, process);
    } catch (error) {
      this.#options.observer.report('deliver', error);
    }
  }

  /** Changes a window, and updates the sum of held bytes. */
  #change<T>(window: ReceiveWindow, change: () => T): T {
    const before = window.heldBytes;
    const result = change();
    this.#heldBytes += window.heldBytes - before;
    return result;
  }

  #addHoles(process: ProcessId, channel: string): void {
    const channels = this.#channelsWithHoles.get(process);
    if (channels) channels.add(channel);
    else this.#channelsWithHoles.set(process, new Set([channel]));
    this.#options.repair.requestMissing(process);
  }
  #removeHoles(process: ProcessId, channel: string): void {
    const channels = this.#channelsWithHoles.get(process);
    if (channels?.delete(channel) && channels.size === 0) this.#channelsWithHoles.delete(process);
  }

  #reportLoss(channel: string, { receivedAt }: ReceiveWindow, { known: lost, mayBeMore }: Loss): void {
    if (mayBeMore) this.#options.repair.expectUnknownLoss();
    if (lost === 0) return;
    const ms = Math.round(performance.now() - receivedAt);
    this.#options.observer.gap({ channel, ...(lost <= MAX_LOST ? { lost } : {}), ms });
  }
}
