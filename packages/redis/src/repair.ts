import { nodeChannel, type LinkObserver, type ProcessId } from '@hubline/server/backplane';
import { Answers } from './answers.ts';
import { decodeFrame, encodeFrame, KIND, type Frame, type FrameKind } from './frame.ts';
import type { Claims, History } from './history.ts';
import { processIn, type Incarnation } from './keys.ts';
import type { Notice } from './notice.ts';
import { paced } from './paced.ts';
import { Recall, type RecallOptions } from './recall.ts';
import {
  decodeAnswer,
  decodeAsk,
  decodeClaims,
  encodeAnswer,
  encodeAsk,
  encodeClaims,
  MAX_RANGES,
  type Missing,
} from './repair-message.ts';
import type { Range } from './ranges.ts';
import { ASK_MS, type Receiver } from './receiver.ts';

export interface RepairOptions {
  readonly self: ProcessId;
  readonly history: History;
  readonly receiver: Receiver;
  readonly repairMs: number;
  /** For how long {@link History} remembers a channel without traffic. */
  readonly rememberedMs: number;
  /** The delay before an ask after a claim: across shards a claim may overtake its frames. */
  readonly claimDelayMs: number;
  readonly origin: () => Incarnation;
  /** Publishes at once, ahead of waiting messages. */
  readonly send: (channel: string, frame: Buffer) => Promise<void>;
  readonly notify: (notice: Notice) => void;
  readonly reaches: (channel: string) => boolean;
  readonly peers: RecallOptions['peers'];
  /** Channels on which sent frames wait to be sent again: a claim there would make them look lost. */
  readonly unsent: () => ReadonlySet<string>;
  readonly gap: LinkObserver['gap'];
  /** Reports a repair message that cannot be decoded. */
  readonly unreadable: (error: unknown) => void;
}

/** An ask that is not answered yet. */
interface Inquiry {
  isOut: boolean;
  isScheduled: boolean;
  /** Ticks since the sender's last answer. */
  silentTicks: number;
  /** When the sender was asked last. */
  askedAt: number;
  /** The channels on which it was asked for frames since their subscription. */
  guessed: ReadonlySet<string>;
}

const TICK_MS = 100;
const RETRY_TICKS = 3;
/** Senders that are asked at a time: a part of an answer of each is on its way to this node, and counts for its output limit. */
const MAX_ASKED = 4;
/** Silence of the sender, not the age of a hole: an answer of several megabytes takes longer. */
const GIVE_UP_TICKS = 50;
const MAX_RANGES_OF_CHANNEL = 200;
/** Bytes of the claims in one notice. */
const CLAIMS_BYTES = 64 * 1024;
const MAX_PARTS = 16;
/** Recalls within this time are answered together. */
const RECALL_MS = 100;
/** The longest delay of a recall that is still covered. */
const SLACK_MS = 1000;

/**
 * Detects missed frames by holes in a channel's sequences, by the claims in heartbeats and, after an outage, by the claims of every
 * node; asks the senders for them. Answers the asks of other nodes from {@link History}.
 */
export class Repair {
  readonly #options: RepairOptions;
  readonly #answers: Answers;
  readonly #recall: Recall;
  readonly #inquiries = new Map<ProcessId, Inquiry>();
  /** The processes that have asked for all claims, with the time in milliseconds that these must cover. */
  readonly #recallers = new Map<ProcessId, number>();
  readonly #answerRecalls = paced(RECALL_MS, () => this.#claimAll());
  /** Processes with repair enabled: they keep their frames, and ask. */
  readonly #repairing = new Set<ProcessId>();
  #isClaimed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RepairOptions) {
    const { history, gap, notify, origin, peers } = options;
    this.#options = options;
    this.#answers = new Answers({ history, send: (asker, answer) => this.#send(asker, KIND.answer, encodeAnswer(answer)) });
    this.#recall = new Recall({
      ask: (ms) => notify({ is: 'recall', incarnation: origin(), ms }),
      peers,
      isRepairing: () => this.#inquiries.size > 0,
      gap: (ms) => gap({ ms }),
    });
  }

  /** Called before the loss of a process is reported: delivers its held frames, and reports the holes as gaps. */
  lost(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    this.#options.receiver.giveUp(process);
    this.#inquiries.delete(process);
    this.#answers.forget(process);
    this.#recallers.delete(process);
    this.#repairing.delete(process);
    this.#recall.lost(process, reason === 'goodbye');
  }

  /** The link is down; all frames were received until `since`. */
  down(since: number): void {
    this.#recall.down(since);
    this.#options.history.pause();
  }
  up(): void {
    this.#options.history.resume();
    for (const [process, inquiry] of this.#inquiries) {
      Object.assign(inquiry, { isOut: false, silentTicks: 0 });
      this.#schedule(process, inquiry, 0);
    }
    this.#recall.up();
    this.#tickWhileOpen();
  }
  /** Channels were not subscribed since then, although the link was up. */
  missed(since: number): void {
    for (const inquiry of this.#inquiries.values()) inquiry.silentTicks = 0;
    this.#recall.missed(since);
    this.#tickWhileOpen();
  }

  /** Frames that may have been for this node are not kept any more: after an outage that is a gap. */
  unsure(): void {
    this.#recall.unsure();
  }
  /** Schedules an ask for a hole in a sender's sequences. */
  hole(process: ProcessId): void {
    let inquiry = this.#inquiries.get(process);
    if (!inquiry)
      this.#inquiries.set(process, (inquiry = { isOut: false, isScheduled: false, silentTicks: 0, askedAt: 0, guessed: new Set() }));
    if (!inquiry.isOut) this.#schedule(process, inquiry, this.#isClaimed ? this.#options.claimDelayMs : 0);
    this.#tickWhileOpen();
  }

  /** Handles a repair frame: an ask, an answer or claims. */
  receive(channel: string, { kind, origin, payload }: Frame): void {
    const { self } = this.#options;
    const process = processIn(origin);
    if (process === self || channel !== nodeChannel(self)) return;
    if (kind === KIND.ask) this.#answers.add(process, decodeAsk(payload));
    else if (kind === KIND.answer) this.#answered(process, payload);
    else this.#claimed(process, decodeClaims(payload));
  }

  notice(notice: Exclude<Notice, { is: 'repaired' }>): void {
    const process = processIn(notice.incarnation);
    if (notice.is === 'hello') {
      const inquiry = this.#inquiries.get(process);
      if (inquiry) inquiry.silentTicks = 0;
      this.#recall.returned(process);
    } else if (notice.is === 'recall') {
      this.#recallers.set(process, Math.max(notice.ms, this.#recallers.get(process) ?? 0));
      this.#answerRecalls();
    } else {
      const { claims, repairMs } = notice;
      if (repairMs > 0) this.#repairing.add(process);
      this.#claimed(process, claims);
      if (notice.is === 'claims') this.#recall.answered(process, notice);
    }
  }

  /** The claims of a heartbeat or a goodbye. Claims about a node's own channel are sent on that channel instead. */
  claims(): { readonly claims: Claims; readonly repairMs: number } {
    const { history, repairMs, unsent } = this.#options;
    const again = unsent();
    const isOfNode = (channel: string): boolean => channel.startsWith(nodeChannel(''));
    for (const [channel, claim] of Object.entries(history.claims((each) => isOfNode(each) && !again.has(each), CLAIMS_BYTES))) {
      this.#sendClaim(channel, claim);
    }
    return { claims: history.claims((channel) => !isOfNode(channel) && !again.has(channel), CLAIMS_BYTES), repairMs };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #schedule(process: ProcessId, inquiry: Inquiry, ms: number): void {
    if (inquiry.isScheduled) return;
    inquiry.isScheduled = true;
    const ask = (): void => {
      inquiry.isScheduled = false;
      if (this.#inquiries.get(process) === inquiry) this.#ask(process, inquiry);
    };
    if (ms > 0) setTimeout(ask, ms).unref();
    else setImmediate(ask);
  }

  #ask(process: ProcessId, inquiry: Inquiry): void {
    const ask: Record<string, Missing> = {};
    let count = 0;
    for (const [channel, missing] of this.#options.receiver.missing(process, MAX_RANGES_OF_CHANNEL)) {
      if (count + missing.ranges.length > MAX_RANGES) break;
      if (missing.ranges.length > 0) ask[channel] = missing;
      count += missing.ranges.length;
    }
    if (count === 0) return void this.#inquiries.delete(process);
    if (!this.#canAsk(process) || (!inquiry.isOut && this.#isBusy)) return;
    inquiry.isOut = true;
    const guessed = Object.entries(ask).filter(([, { withinMs }]) => withinMs !== undefined);
    Object.assign(inquiry, { askedAt: performance.now(), guessed: new Set(guessed.map(([channel]) => channel)) });
    this.#send(process, KIND.ask, encodeAsk(ask)).catch(() => (inquiry.isOut = false)); // the next tick asks again
  }

  #answered(process: ProcessId, payload: Uint8Array): void {
    const { receiver, unreadable } = this.#options;
    const { frames, gone, void: voids, unsent, isLast } = decodeAnswer(payload);
    const channels = new Set<string>();
    for (const [channel, bytes] of frames) {
      channels.add(channel);
      try {
        const frame = decodeFrame(bytes);
        if (processIn(frame.origin) === process) receiver.repaired(process, channel, frame);
      } catch (error) {
        unreadable(error);
      }
    }
    for (const [verdict, ranges] of Object.entries({ void: voids, gone, unsent })) {
      for (const [channel, each] of Object.entries(ranges)) {
        channels.add(channel);
        for (const range of each) receiver.settle(process, channel, { verdict: verdict as 'void', range });
      }
    }
    for (const channel of channels) receiver.proceed(process, channel);
    const inquiry = this.#inquiries.get(process);
    if (!inquiry) return;
    inquiry.silentTicks = 0;
    // The ask took so long that frames since the subscription may have been taken for older ones.
    if (performance.now() - inquiry.askedAt > ASK_MS && Object.keys(voids).some((each) => inquiry.guessed.has(each))) this.unsure();
    if (!isLast) return;
    inquiry.isOut = false;
    // One ask may not hold all missing ranges, more may have been found meanwhile, and other senders wait for their turn.
    for (const [each, waiting] of this.#inquiries) if (!waiting.isOut) this.#schedule(each, waiting, 0);
  }

  #claimed(process: ProcessId, claims: Claims): void {
    this.#isClaimed = true;
    for (const [channel, claim] of Object.entries(claims)) this.#options.receiver.claimed(process, channel, claim);
    this.#isClaimed = false;
  }

  /** Answers recalls: claims about a recaller's own channel go there, all others in notices to every node. */
  #claimAll(): void {
    const { history, unsent, notify, origin, repairMs, rememberedMs } = this.#options;
    const again = unsent();
    const asked = Math.max(...this.#recallers.values());
    const coversMs = Math.min(asked, rememberedMs);
    const ofRecallers = new Set([...this.#recallers.keys()].map((process) => nodeChannel(process)));
    this.#recallers.clear();
    const bounds = { ms: coversMs + SLACK_MS, maxBytes: CLAIMS_BYTES };
    const [own = {}] = history.allClaims((channel) => ofRecallers.has(channel) && !again.has(channel), bounds);
    for (const [channel, claim] of Object.entries(own)) this.#sendClaim(channel, claim);
    const isForAll = (channel: string): boolean => !channel.startsWith(nodeChannel('')) && !again.has(channel);
    const parts = history.allClaims(isForAll, bounds);
    const isWhole = parts.length <= MAX_PARTS && coversMs === asked;
    const left = this.#options.peers().left(coversMs + SLACK_MS);
    parts.slice(0, MAX_PARTS).forEach((claims, part, { length }) => {
      const isLast = part === length - 1;
      notify({ is: 'claims', incarnation: origin(), repairMs, claims, part, isLast, coversMs: isWhole ? coversMs : 0, left });
    });
  }

  /** Sends a claim, only to a node with repair enabled: any other expects only messages on its channel. */
  #sendClaim(channel: string, claim: Range): void {
    const process = channel.slice(nodeChannel('').length);
    if (!this.#repairing.has(process)) return;
    this.#send(process, KIND.claims, encodeClaims({ [channel]: claim })).catch(() => undefined); // the next heartbeat repeats it
  }

  #send(process: ProcessId, kind: FrameKind, payload: Buffer): Promise<void> {
    const { send, origin } = this.#options;
    return send(nodeChannel(process), encodeFrame({ kind, origin: origin(), sequence: 0, payload }));
  }

  get #isBusy(): boolean {
    let count = 0;
    for (const { isOut } of this.#inquiries.values()) if (isOut) count++;
    return count >= MAX_ASKED;
  }

  /** Whether an ask and its answer can be delivered. */
  #canAsk(process: ProcessId): boolean {
    const { reaches, self } = this.#options;
    return reaches(nodeChannel(process)) && reaches(nodeChannel(self));
  }

  #tickWhileOpen(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Counts ticks instead of time: a process that was held up has not read its answers yet. */
  #tick(): void {
    this.#recall.tick();
    for (const [process, inquiry] of this.#inquiries) {
      const mustWait = !inquiry.isOut && this.#isBusy;
      if (mustWait || !this.#canAsk(process) || this.#options.peers().isDeaf(process)) inquiry.silentTicks = 0;
      else if (++inquiry.silentTicks > GIVE_UP_TICKS) {
        this.#inquiries.delete(process);
        this.#options.receiver.giveUp(process);
      } else if (!inquiry.isOut || inquiry.silentTicks % RETRY_TICKS === 0) this.#ask(process, inquiry);
    }
    if (this.#inquiries.size > 0 || this.#recall.isAsking) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
