import { nodeChannel, type ProcessId } from '@hubline/server/backplane';
import type { Channels } from './channels.ts';
import { decodeFrame, encodeFrame, KIND, type Frame, type FrameKind } from './frame.ts';
import type { Claims, History } from './history.ts';
import { processIn } from './keys.ts';
import type { LinkContext } from './link-context.ts';
import type { NoticePublisher } from './notice-publisher.ts';
import type { Notice } from './notice.ts';
import type { Peers } from './peers.ts';
import type { Publisher } from './publisher.ts';
import type { Range } from './ranges.ts';
import { Recall } from './recall.ts';
import { ASK_MS, Receiver, type AbsenceReason, type MissingFrames } from './receiver.ts';
import type { Registration } from './registration.ts';
import { RepairAnswers } from './repair-answers.ts';
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
import { throttled } from './throttled.ts';

export interface RepairOptions extends Pick<
  LinkContext,
  'self' | 'settings' | 'store' | 'keys' | 'availability' | 'unreadable' | 'observer' | 'events'
> {
  readonly registration: Pick<Registration, 'session'>;
  readonly peers: Pick<Peers, 'isKnown' | 'isSubscribed' | 'processes' | 'lostWithin' | 'incarnation'>;
  readonly channels: Channels;
  readonly history: History;
  readonly notices: Pick<NoticePublisher, 'send'>;
  readonly publisher: Pick<Publisher, 'unsent'>;
}

/** A request for missing frames that their sender has not answered completely. */
interface FrameRequest {
  isOut: boolean;
  isScheduled: boolean;
  /** Ticks since the sender's last answer. */
  silentTicks: number;
  /** When the sender was asked last. */
  askedAt: number;
  /** The channels on which it was asked for frames since their subscription. */
  guessed: ReadonlySet<string>;
}

/** The delay of a request after a claim on a Redis Cluster: across shards, a claim may overtake its frames. */
const CLAIM_DELAY_MS = 100;
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
export class Repair implements MissingFrames {
  readonly receiver: Receiver;
  readonly #options: RepairOptions;
  readonly #answers: RepairAnswers;
  readonly #recall: Recall;
  readonly #requests = new Map<ProcessId, FrameRequest>();
  /** The processes that have asked for all claims, with the time in milliseconds that these must cover. */
  readonly #recallers = new Map<ProcessId, number>();
  readonly #answerRecalls = throttled(RECALL_MS, () => this.#claimAll());
  /** Processes with repair enabled: they keep their frames, and ask. */
  readonly #repairing = new Set<ProcessId>();
  #isClaimed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RepairOptions) {
    this.#options = options;
    this.receiver = new Receiver({ ...options, repair: this });
    this.#answers = new RepairAnswers({
      history: options.history,
      send: (asker, answer) => this.#send(asker, KIND.answer, encodeAnswer(answer)),
    });
    this.#recall = new Recall({ ...options, repair: this });
  }

  /** Whether frames are missing that claims have shown. */
  get isRequesting(): boolean {
    return this.#requests.size > 0;
  }

  /** Called before the loss of a process is reported: delivers its held frames, and reports the holes as gaps. */
  lost(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    this.receiver.giveUp(process);
    this.#requests.delete(process);
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
    for (const [process, request] of this.#requests) {
      Object.assign(request, { isOut: false, silentTicks: 0 });
      this.#schedule(process, request, 0);
    }
    this.#recall.up();
    this.#tickWhileOpen();
  }
  /** Channels were not subscribed since then, although the link was up. */
  missed(since: number): void {
    for (const request of this.#requests.values()) request.silentTicks = 0;
    this.#recall.missed(since);
    this.#tickWhileOpen();
  }

  /** Handles frames that their sender does not keep any more, and that may have been for this node: after an outage that is a gap. */
  expectUnknownLoss(): void {
    this.#recall.expectUnknownLoss();
  }
  /** Schedules a request for the frames that are missing in a sender's sequences. */
  requestMissing(process: ProcessId): void {
    let request = this.#requests.get(process);
    if (!request)
      this.#requests.set(process, (request = { isOut: false, isScheduled: false, silentTicks: 0, askedAt: 0, guessed: new Set() }));
    if (!request.isOut) this.#schedule(process, request, this.#isClaimed && !this.#options.store.isOne ? CLAIM_DELAY_MS : 0);
    this.#tickWhileOpen();
  }

  /** Handles a repair frame: an ask, an answer or claims. */
  receive(channel: string, { kind, origin, payload }: Frame): void {
    const { self } = this.#options;
    const process = processIn(origin);
    if (process === self.process || channel !== nodeChannel(self.process)) return;
    if (kind === KIND.ask) this.#answers.add(process, decodeAsk(payload));
    else if (kind === KIND.answer) this.#answered(process, payload);
    else this.#claimed(process, decodeClaims(payload));
  }

  notice(notice: Exclude<Notice, { is: 'repaired' }>): void {
    const process = processIn(notice.incarnation);
    if (notice.is === 'hello') {
      const request = this.#requests.get(process);
      if (request) request.silentTicks = 0;
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
    const { history, publisher } = this.#options;
    const again = publisher.unsent();
    const isOfNode = (channel: string): boolean => channel.startsWith(nodeChannel(''));
    for (const [channel, claim] of Object.entries(history.claims((each) => isOfNode(each) && !again.has(each), CLAIMS_BYTES))) {
      this.#sendClaim(channel, claim);
    }
    return { claims: history.claims((channel) => !isOfNode(channel) && !again.has(channel), CLAIMS_BYTES), repairMs: this.#repairMs };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #schedule(process: ProcessId, request: FrameRequest, ms: number): void {
    if (request.isScheduled) return;
    request.isScheduled = true;
    const ask = (): void => {
      request.isScheduled = false;
      if (this.#requests.get(process) === request) this.#ask(process, request);
    };
    if (ms > 0) setTimeout(ask, ms).unref();
    else setImmediate(ask);
  }

  #ask(process: ProcessId, request: FrameRequest): void {
    const ask: Record<string, Missing> = {};
    let count = 0;
    for (const [channel, missing] of this.receiver.missing(process, MAX_RANGES_OF_CHANNEL)) {
      if (count + missing.ranges.length > MAX_RANGES) break;
      if (missing.ranges.length > 0) ask[channel] = missing;
      count += missing.ranges.length;
    }
    if (count === 0) return void this.#requests.delete(process);
    if (!this.#canAsk(process) || (!request.isOut && this.#isBusy)) return;
    request.isOut = true;
    const guessed = Object.entries(ask).filter(([, { withinMs }]) => withinMs !== undefined);
    Object.assign(request, { askedAt: performance.now(), guessed: new Set(guessed.map(([channel]) => channel)) });
    this.#send(process, KIND.ask, encodeAsk(ask)).catch(() => (request.isOut = false)); // the next tick asks again
  }

  #answered(process: ProcessId, payload: Uint8Array): void {
    const { receiver } = this;
    const { frames, gone, void: voids, unsent, isLast } = decodeAnswer(payload);
    const channels = new Set<string>();
    for (const [channel, bytes] of frames) {
      channels.add(channel);
      try {
        const frame = decodeFrame(bytes);
        if (processIn(frame.origin) === process) receiver.repaired(process, channel, frame);
      } catch (error) {
        this.#options.unreadable.message('frame', error);
      }
    }
    for (const [reason, ranges] of Object.entries({ void: voids, gone, unsent })) {
      for (const [channel, each] of Object.entries(ranges)) {
        channels.add(channel);
        for (const range of each) receiver.settle(process, channel, { reason: reason as AbsenceReason, range });
      }
    }
    for (const channel of channels) receiver.proceed(process, channel);
    const request = this.#requests.get(process);
    if (!request) return;
    request.silentTicks = 0;
    // The ask took so long that frames since the subscription may have been taken for older ones.
    if (performance.now() - request.askedAt > ASK_MS && Object.keys(voids).some((each) => request.guessed.has(each)))
      this.expectUnknownLoss();
    if (!isLast) return;
    request.isOut = false;
    // One ask may not hold all missing ranges, more may have been found meanwhile, and other senders wait for their turn.
    for (const [each, waiting] of this.#requests) if (!waiting.isOut) this.#schedule(each, waiting, 0);
  }

  #claimed(process: ProcessId, claims: Claims): void {
    this.#isClaimed = true;
    for (const [channel, claim] of Object.entries(claims)) this.receiver.claimed(process, channel, claim);
    this.#isClaimed = false;
  }

  /** Answers recalls: claims about a recaller's own channel go there, all others in notices to every node. */
  #claimAll(): void {
    const { history, publisher, notices, peers } = this.#options;
    const again = publisher.unsent();
    const asked = Math.max(...this.#recallers.values());
    const coversMs = Math.min(asked, history.rememberedMs);
    const ofRecallers = new Set([...this.#recallers.keys()].map((process) => nodeChannel(process)));
    this.#recallers.clear();
    const bounds = { ms: coversMs + SLACK_MS, maxBytes: CLAIMS_BYTES };
    const [own = {}] = history.allClaims((channel) => ofRecallers.has(channel) && !again.has(channel), bounds);
    for (const [channel, claim] of Object.entries(own)) this.#sendClaim(channel, claim);
    const isForAll = (channel: string): boolean => !channel.startsWith(nodeChannel('')) && !again.has(channel);
    const parts = history.allClaims(isForAll, bounds);
    const isWhole = parts.length <= MAX_PARTS && coversMs === asked;
    const left = peers.lostWithin(coversMs + SLACK_MS);
    parts.slice(0, MAX_PARTS).forEach((claims, part, { length }) => {
      const isLast = part === length - 1;
      notices.send({ is: 'claims', repairMs: this.#repairMs, claims, part, isLast, coversMs: isWhole ? coversMs : 0, left });
    });
  }

  /** Sends a claim, only to a node with repair enabled: any other expects only messages on its channel. */
  #sendClaim(channel: string, claim: Range): void {
    const process = channel.slice(nodeChannel('').length);
    if (!this.#repairing.has(process)) return;
    this.#send(process, KIND.claims, encodeClaims({ [channel]: claim })).catch(() => undefined); // the next heartbeat repeats it
  }

  /** Publishes a frame at once, ahead of waiting messages. */
  async #send(process: ProcessId, kind: FrameKind, payload: Buffer): Promise<void> {
    const { store, keys, registration } = this.#options;
    const frame = encodeFrame({ kind, origin: registration.session.incarnation, sequence: 0, payload });
    await store.publish([[keys.channel(nodeChannel(process)), frame]]);
  }

  /** For how long this node keeps its frames, in milliseconds. */
  get #repairMs(): number {
    const { repairBytes, repairMs } = this.#options.settings;
    return repairBytes > 0 ? repairMs : 0;
  }

  get #isBusy(): boolean {
    let count = 0;
    for (const { isOut } of this.#requests.values()) if (isOut) count++;
    return count >= MAX_ASKED;
  }

  /** Whether an ask and its answer can be delivered. */
  #canAsk(process: ProcessId): boolean {
    const { availability, self } = this.#options;
    return availability.hasChannel(nodeChannel(process)) && availability.hasChannel(nodeChannel(self.process));
  }

  #tickWhileOpen(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Counts ticks instead of time: a process that was held up has not read its answers yet. */
  #tick(): void {
    this.#recall.tick();
    for (const [process, request] of this.#requests) {
      const mustWait = !request.isOut && this.#isBusy;
      if (mustWait || !this.#canAsk(process) || !this.#options.peers.isSubscribed(process)) request.silentTicks = 0;
      else if (++request.silentTicks > GIVE_UP_TICKS) {
        this.#requests.delete(process);
        this.receiver.giveUp(process);
      } else if (!request.isOut || request.silentTicks % RETRY_TICKS === 0) this.#ask(process, request);
    }
    if (this.#requests.size > 0 || this.#recall.isAsking) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
