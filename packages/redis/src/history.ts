import type { Incarnation } from './keys.ts';
import { encodeFrame, KIND } from './frame.ts';
import type { RedisSettings } from './options.ts';
import { Queue } from './queue.ts';
import { RangeSet, type Range } from './ranges.ts';
import { firstIndex } from './search.ts';
import { Slab } from './slab.ts';

export interface HistoryOptions {
  readonly registration: { readonly session: { readonly incarnation: Incarnation } };
  readonly settings: Pick<RedisSettings, 'repairMs' | 'repairBytes' | 'sweepDelayMs'>;
  readonly now?: () => number;
}

/** A frame that was sent, or is about to be. */
export interface SentFrame {
  readonly channel: string;
  readonly sequence: number;
  readonly frame: Buffer;
  /** By the clock of {@link History.now}. */
  readonly at: number;
  /** By `performance.now()`. */
  readonly sentAt: number;
  /** Its message was refused to the caller: receivers that miss it have lost nothing. */
  isVoid: boolean;
}

/** By channel: the sequence before the first kept frame, and the last sequence. */
export type Claims = Readonly<Record<string, Range>>;

/** The frames of a range of sequences, and the reasons for those that are missing. */
export interface Reading {
  readonly frames: readonly Buffer[];
  /** No longer kept. */
  readonly gone: readonly Range[];
  /** Refused to their callers, or never used: no loss. */
  readonly void: readonly Range[];
  /** Above the last sequence: the asker was misled. */
  readonly unsent: readonly Range[];
  /** The first sequence that the reading leaves out for want of space. */
  readonly next: number;
}

export interface ReadOptions {
  readonly maxBytes: number;
  readonly withinMs?: number | undefined;
}

interface ChannelHistory {
  last: number;
  /** The sequence at which this process began on the channel, or began anew. */
  readonly first: number;
  usedAt: number;
  /** Ascending, without gaps but for frames that are not kept any more. */
  readonly sent: Queue<SentFrame>;
  /** Outlives the frames: an asker may have been away for longer than they are kept. */
  voids: RangeSet | undefined;
  /** In how many heartbeats it was claimed since its last frame. */
  claimed: number;
}

/** Approximate memory of a kept frame beside its bytes. */
const FRAME_BYTES = 256;
const MAX_VOID_RANGES = 64;
/** Bytes of a claim beside its channel's name, in JSON. */
const CLAIM_BYTES = 40;

/**
 * Numbers this process's frames per channel, and keeps them for a while, so that a node that missed some can ask for them.
 * A channel without traffic is forgotten, and starts later above every sequence ever used.
 */
export class History {
  readonly #options: HistoryOptions;
  readonly #now: () => number;
  readonly #slab = new Slab();
  readonly #channels = new Map<string, ChannelHistory>();
  /** All kept frames, oldest first. */
  readonly #kept = new Queue<SentFrame>();
  #keptBytes = 0;
  /** The highest sequence ever used: receivers do not take frames of a forgotten channel for old ones. */
  #ceiling = 0;
  /** When the last frame was sent that is not kept any more. */
  #forgottenUntil = Number.NEGATIVE_INFINITY;
  #pausedMs = 0;
  #pausedAt: number | undefined;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }
  /** Milliseconds in which the link of this node was up. */
  get now(): number {
    return (this.#pausedAt ?? this.#now()) - this.#pausedMs;
  }

  /** The link is down: frames do not grow older, since nodes that miss them cannot ask. */
  pause(): void {
    this.#pausedAt ??= this.#now();
  }
  resume(): void {
    if (this.#pausedAt !== undefined) this.#pausedMs += this.#now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }

  add(channel: string, payload: Uint8Array): SentFrame {
    const { registration, settings } = this.#options;
    const at = this.now;
    let history = this.#channels.get(channel);
    const isFirst = !history;
    const sequence = history ? history.last + 1 : this.#ceiling + 1;
    if (!history) {
      history = { last: 0, first: sequence, usedAt: at, sent: new Queue(), voids: undefined, claimed: 0 };
      this.#channels.set(channel, history);
    }
    this.#ceiling = Math.max(this.#ceiling, sequence);
    Object.assign(history, { last: sequence, usedAt: at, claimed: 0 });
    const kind = (isFirst ? KIND.firstMessage : KIND.message) + (settings.repairBytes > 0 ? KIND.keptMessage : 0);
    const frame = encodeFrame(
      { kind: kind as 0 | 1 | 2 | 3, origin: registration.session.incarnation, sequence, payload },
      this.#slab.allocate,
    );
    const sent = { channel, sequence, frame, at, sentAt: this.#now(), isVoid: false };
    if (settings.repairBytes > 0) {
      history.sent.push(sent);
      this.#kept.push(sent);
      this.#keptBytes += frame.length + FRAME_BYTES;
      this.#prune();
    }
    return sent;
  }

  /** The message of this frame was refused to its caller. */
  void(sent: SentFrame): void {
    sent.isVoid = true;
    const history = this.#channels.get(sent.channel);
    if (!history) return;
    history.voids ??= new RangeSet();
    history.voids.add(sent.sequence, sent.sequence);
    history.voids.trim(MAX_VOID_RANGES);
  }

  /**
   * Reads sequences of a channel, until their frames take `maxBytes`; one frame in any case. Frames that are older than `withinMs`
   * were not for the asker.
   */
  read(channel: string, [from, to]: Range, { maxBytes, withinMs = Number.POSITIVE_INFINITY }: ReadOptions): Reading {
    this.#prune();
    const since = this.#now() - withinMs;
    const history = this.#channels.get(channel);
    const frames: Buffer[] = [];
    const absent: Range[] = [];
    const refused = new RangeSet();
    let next = from;
    let bytes = 0;
    for (let i = history ? firstIndex(history.sent.length, (at) => history.sent.at(at)!.sequence < from) : 0; next <= to; i++) {
      const sent = history?.sent.at(i);
      const before = Math.min(to, sent ? sent.sequence - 1 : to);
      if (before >= next) absent.push([next, before]);
      next = before + 1;
      if (next > to || !sent) break;
      if (sent.isVoid || sent.sentAt < since) refused.add(next, next);
      else {
        if (frames.length > 0 && bytes + sent.frame.length > maxBytes) break;
        frames.push(sent.frame);
        bytes += sent.frame.length;
      }
      next++;
    }
    const { gone, void: unused, unsent } = classify(history, absent);
    const voids = [...refused.slice(refused.count), ...unused];
    if (this.#forgottenUntil < since) return { frames, next, gone: [], void: [...voids, ...gone], unsent };
    return { frames, next, gone, void: voids, unsent };
  }

  /**
   * Claims for a heartbeat: channels with kept frames, up to `maxBytes` in JSON; those first that were claimed least often since
   * their last frame.
   */
  claims(passes: (channel: string) => boolean, maxBytes: number): Claims {
    this.#prune();
    const candidates = [...this.#channels].filter(([channel, { sent }]) => sent.length > 0 && passes(channel));
    candidates.sort(([, a], [, b]) => a.claimed - b.claimed || a.usedAt - b.usedAt);
    const claims: Record<string, Range> = {};
    let bytes = 0;
    for (const [channel, history] of candidates) {
      bytes += channel.length + CLAIM_BYTES;
      if (bytes > maxBytes) break;
      history.claimed++;
      claims[channel] = claimOf(history);
    }
    return claims;
  }

  /** Claims of every channel with kept frames, or that was used within the last `ms`, in parts of up to `maxBytes`. */
  allClaims(passes: (channel: string) => boolean, { ms, maxBytes }: { readonly ms: number; readonly maxBytes: number }): readonly Claims[] {
    this.#prune();
    const since = this.now - ms;
    const parts: Record<string, Range>[] = [{}];
    let bytes = 0;
    for (const [channel, history] of this.#channels) {
      if ((history.sent.length === 0 && history.usedAt < since) || !passes(channel)) continue;
      bytes += channel.length + CLAIM_BYTES;
      if (bytes > maxBytes) {
        parts.push({});
        bytes = channel.length + CLAIM_BYTES;
      }
      parts.at(-1)![channel] = claimOf(history);
    }
    return parts;
  }

  /** For how long a channel without traffic keeps its sequence, in milliseconds. */
  get rememberedMs(): number {
    const { sweepDelayMs, repairMs } = this.#options.settings;
    return 2 * Math.max(sweepDelayMs, repairMs);
  }
  /** Forgets channels that were without traffic for {@link rememberedMs}, and have no kept frames. */
  forgetIdle(): void {
    this.#prune();
    const until = this.now - this.rememberedMs;
    for (const [channel, { usedAt, sent }] of this.#channels) if (usedAt < until && sent.length === 0) this.#channels.delete(channel);
  }

  #prune(): void {
    const { repairMs, repairBytes } = this.#options.settings;
    const until = this.now - repairMs;
    for (let oldest = this.#kept.at(0); oldest && (oldest.at < until || this.#keptBytes > repairBytes); oldest = this.#kept.at(0)) {
      this.#kept.shift();
      this.#forgottenUntil = oldest.sentAt;
      this.#keptBytes -= oldest.frame.length + FRAME_BYTES;
      this.#channels.get(oldest.channel)?.sent.shift(); // the same one: both queues are in the order of sending
    }
  }
}

const claimOf = ({ sent, last }: ChannelHistory): Range => [(sent.at(0)?.sequence ?? last + 1) - 1, last];

/** Why sequences have no frame. */
function classify(history: ChannelHistory | undefined, absent: readonly Range[]): Pick<Reading, 'gone' | 'void' | 'unsent'> {
  const gone = new RangeSet(absent);
  if (!history) return { gone: absent, void: [], unsent: [] };
  const unsent = gone.delete(history.last + 1, Number.MAX_SAFE_INTEGER);
  const unused = gone.delete(0, history.first - 1);
  const refused = (history.voids?.slice(MAX_VOID_RANGES) ?? []).flatMap(([from, to]) => gone.delete(from, to));
  return { gone: gone.slice(Number.POSITIVE_INFINITY), void: [...unused, ...refused], unsent };
}
