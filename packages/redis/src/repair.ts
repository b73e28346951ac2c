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
  /** Whether a request was sent, and its last part is not answered. */
  isSent: boolean;
  isScheduled: boolean;
  /** Ticks since the sender's last answer. */
  silentTicks: number;
  /** When the last request was sent to the sender, by `performance.now()`. */
  askedAt: number;
  /** Channels on which frames were requested that may be older than the subscription. */
  uncertainChannels: ReadonlySet<string>;
}

/** The delay of a request after a claim on a Redis Cluster: across shards, a claim may overtake its frames. */
const CLAIM_DELAY_MS = 100;
const TICK_MS = 100;
const RETRY_TICKS = 3;
/** The most senders with an open request: a part of an answer of each may be queued for this node, up to Redis's output limit. */
const MAX_SENDERS = 4;
/** The silence of a sender after which its missing frames are gaps. The time of the whole answer does not count: megabytes take longer. */
const GIVE_UP_TICKS = 50;
const MAX_RANGES_OF_CHANNEL = 200;
/** Bytes of the claims in one notice. */
const CLAIMS_BYTES = 64 * 1024;
const MAX_PARTS = 16;
/** Recalls within this time are answered together. */
const RECALL_MS = 100;
/** The longest expected delay of a recall, which its answers cover. */
const SLACK_MS = 1000;

/**
 * Detects missed frames by missing sequences, by the claims in heartbeats and, after an outage, by the claims of every node, and requests
 * them from their senders. Answers the requests of other nodes from {@link History}.
 */
export class Repair implements MissingFrames {
  readonly receiver: Receiver;
  readonly #options: RepairOptions;
  readonly #answers: RepairAnswers;
  readonly #recall: Recall;
  readonly #requests = new Map<ProcessId, FrameRequest>();
  /** Processes that have requested all claims, with the time in milliseconds that these must cover. */
  readonly #recallers = new Map<ProcessId, number>();
  readonly #answerRecalls = throttled(RECALL_MS, () => this.#sendAllClaims());
  /** Processes with repair enabled: they keep their frames, and request missing ones. */
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

  /** Whether frames are missing and requested. */
  get isRequesting(): boolean {
    return this.#requests.size > 0;
  }

  /** Handles the loss of a process before it is reported: delivers its held frames, and reports the missing ones as gaps. */
  lost(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    this.receiver.giveUp(process);
    this.#requests.delete(process);
    this.#answers.forget(process);
    this.#recallers.delete(process);
    this.#repairing.delete(process);
    this.#recall.lost(process, reason === 'goodbye');
  }

  /** Handles an outage. All frames were received until `since`, by `performance.now()`. */
  down(since: number): void {
    this.#recall.down(since);
    this.#options.history.pause();
  }
  up(): void {
    this.#options.history.resume();
    for (const [process, request] of this.#requests) {
      Object.assign(request, { isSent: false, silentTicks: 0 });
      this.#schedule(process, request, 0);
    }
    this.#recall.up();
    this.#startTicking();
  }
  /** Recovers frames since a time at which channels were not subscribed although the link was up. */
  missed(since: number): void {
    for (const request of this.#requests.values()) request.silentTicks = 0;
    this.#recall.missed(since);
    this.#startTicking();
  }

  /** Handles frames that their sender no longer keeps, and that may have been for this node: after an outage they are a gap. */
  expectUnknownLoss(): void {
    this.#recall.expectUnknownLoss();
  }
  /** Schedules a request for the frames that are missing in a sender's sequences. */
  requestMissing(process: ProcessId): void {
    let request = this.#requests.get(process);
    if (!request)
      this.#requests.set(
        process,
        (request = { isSent: false, isScheduled: false, silentTicks: 0, askedAt: 0, uncertainChannels: new Set() }),
      );
    if (!request.isSent) this.#schedule(process, request, this.#isClaimed && !this.#options.store.isSingleRedis ? CLAIM_DELAY_MS : 0);
    this.#startTicking();
  }

  /** Handles a frame of the repair protocol: a request, an answer or claims. */
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
      this.#recall.helloFrom(process);
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

  /** Returns the claims of a heartbeat or a goodbye, and sends claims about the own channel of a node on that channel. */
  claims(): { readonly claims: Claims; readonly repairMs: number } {
    const { history, publisher } = this.#options;
    const unsent = publisher.unsent();
    const isOfNode = (channel: string): boolean => channel.startsWith(nodeChannel(''));
    for (const [channel, claim] of Object.entries(history.claims((each) => isOfNode(each) && !unsent.has(each), CLAIMS_BYTES))) {
      this.#sendClaim(channel, claim);
    }
    return { claims: history.claims((channel) => !isOfNode(channel) && !unsent.has(channel), CLAIMS_BYTES), repairMs: this.#repairMs };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #schedule(process: ProcessId, request: FrameRequest, ms: number): void {
    if (request.isScheduled) return;
    request.isScheduled = true;
    const ask = (): void => {
      request.isScheduled = false;
      if (this.#requests.get(process) === request) this.#request(process, request);
    };
    if (ms > 0) setTimeout(ask, ms).unref();
    else setImmediate(ask);
  }

  #request(process: ProcessId, request: FrameRequest): void {
    const ask: Record<string, Missing> = {};
    let count = 0;
    for (const [channel, missing] of this.receiver.missing(process, MAX_RANGES_OF_CHANNEL)) {
      if (count + missing.ranges.length > MAX_RANGES) break;
      if (missing.ranges.length > 0) ask[channel] = missing;
      count += missing.ranges.length;
    }
    if (count === 0) return void this.#requests.delete(process);
    if (!this.#canRequest(process) || (!request.isSent && this.#isBusy)) return;
    request.isSent = true;
    const uncertainChannels = Object.entries(ask).filter(([, { withinMs }]) => withinMs !== undefined);
    Object.assign(request, { askedAt: performance.now(), uncertainChannels: new Set(uncertainChannels.map(([channel]) => channel)) });
    this.#send(process, KIND.ask, encodeAsk(ask)).catch(() => (request.isSent = false)); // the next tick sends it again
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
        for (const range of each) receiver.handleAbsence(process, channel, { reason: reason as AbsenceReason, range });
      }
    }
    for (const channel of channels) receiver.deliverHeld(process, channel);
    const request = this.#requests.get(process);
    if (!request) return;
    request.silentTicks = 0;
    // The request took so long that its receiver may have excluded frames since the subscription as older ones.
    if (performance.now() - request.askedAt > ASK_MS && Object.keys(voids).some((each) => request.uncertainChannels.has(each)))
      this.expectUnknownLoss();
    if (!isLast) return;
    request.isSent = false;
    // One request may not have all missing ranges, more may be missing by now, and other senders wait for their turn.
    for (const [each, waiting] of this.#requests) if (!waiting.isSent) this.#schedule(each, waiting, 0);
  }

  #claimed(process: ProcessId, claims: Claims): void {
    this.#isClaimed = true;
    for (const [channel, claim] of Object.entries(claims)) this.receiver.claimed(process, channel, claim);
    this.#isClaimed = false;
  }

  /** Answers recalls: sends claims about the own channel of a requester there, and all others in notices to every node. */
  #sendAllClaims(): void {
    const { history, publisher, notices, peers } = this.#options;
    const unsent = publisher.unsent();
    const asked = Math.max(...this.#recallers.values());
    const coversMs = Math.min(asked, history.rememberedMs);
    const ofRecallers = new Set([...this.#recallers.keys()].map((process) => nodeChannel(process)));
    this.#recallers.clear();
    const bounds = { ms: coversMs + SLACK_MS, maxBytes: CLAIMS_BYTES };
    const [own = {}] = history.allClaims((channel) => ofRecallers.has(channel) && !unsent.has(channel), bounds);
    for (const [channel, claim] of Object.entries(own)) this.#sendClaim(channel, claim);
    const isForAll = (channel: string): boolean => !channel.startsWith(nodeChannel('')) && !unsent.has(channel);
    const parts = history.allClaims(isForAll, bounds);
    const isWhole = parts.length <= MAX_PARTS && coversMs === asked;
    const left = peers.lostWithin(coversMs + SLACK_MS);
    parts.slice(0, MAX_PARTS).forEach((claims, part, { length }) => {
      const isLast = part === length - 1;
      notices.send({ is: 'claims', repairMs: this.#repairMs, claims, part, isLast, coversMs: isWhole ? coversMs : 0, left });
    });
  }

  /** Sends a claim about a node's own channel there, if that node has repair enabled: other nodes expect only messages on it. */
  #sendClaim(channel: string, claim: Range): void {
    const process = channel.slice(nodeChannel('').length);
    if (!this.#repairing.has(process)) return;
    this.#send(process, KIND.claims, encodeClaims({ [channel]: claim })).catch(() => undefined); // the next heartbeat sends it again
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
    for (const { isSent } of this.#requests.values()) if (isSent) count++;
    return count >= MAX_SENDERS;
  }

  /** Whether a request and its answer can be delivered. */
  #canRequest(process: ProcessId): boolean {
    const { availability, self } = this.#options;
    return availability.hasChannel(nodeChannel(process)) && availability.hasChannel(nodeChannel(self.process));
  }

  #startTicking(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Counts ticks instead of time: a process whose event loop was blocked has not read its answers yet. */
  #tick(): void {
    this.#recall.tick();
    for (const [process, request] of this.#requests) {
      const mustWait = !request.isSent && this.#isBusy;
      if (mustWait || !this.#canRequest(process) || !this.#options.peers.isSubscribed(process)) request.silentTicks = 0;
      else if (++request.silentTicks > GIVE_UP_TICKS) {
        this.#requests.delete(process);
        this.receiver.giveUp(process);
      } else if (!request.isSent || request.silentTicks % RETRY_TICKS === 0) this.#request(process, request);
    }
    if (this.#requests.size > 0 || this.#recall.isAsking) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
