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

/** A frame that was sent, or is about to be sent. */
export interface SentFrame {
  readonly channel: string;
  readonly sequence: number;
  readonly frame: Buffer;
  /** When it was sent, by the clock of {@link History.now}. */
  readonly at: number;
  /** When it was sent, by `performance.now()`. */
  readonly sentAt: number;
  /** Whether its publish was rejected: a receiver that misses the frame misses no message. */
  isVoid: boolean;
}

/** By channel: the sequence before the first kept frame, and the last sequence. */
export type Claims = Readonly<Record<string, Range>>;

/** The frames of a range of sequences, and the reasons why others are absent. */
export interface FramesRead {
  readonly frames: readonly Buffer[];
  /** Sequences of frames that are no longer kept. */
  readonly gone: readonly Range[];
  /** Sequences of messages that were refused to their publishers, or that were never used: no loss. */
  readonly void: readonly Range[];
  /** Sequences above the last one: no frame had them yet. */
  readonly unsent: readonly Range[];
  /** The first sequence that was not read, because the frames before it take `maxBytes`. */
  readonly next: number;
}

export interface ReadOptions {
  readonly maxBytes: number;
  readonly withinMs?: number | undefined;
}

interface ChannelHistory {
  last: number;
  /** The sequence at which this process began on the channel, or began again after it was forgotten. */
  readonly first: number;
  usedAt: number;
  /** The kept frames, ascending. */
  readonly sent: Queue<SentFrame>;
  /** Refused sequences. They are kept longer than frames: a node may request them after a long outage. */
  voids: RangeSet | undefined;
  /** The number of heartbeats that have claimed the channel since its last frame. */
  claimed: number;
}

/** The approximate memory of a kept frame without its bytes. */
const FRAME_BYTES = 256;
const MAX_VOID_RANGES = 64;
/** The bytes of a claim in JSON without its channel's name. */
const CLAIM_BYTES = 40;

/**
 * Numbers this process's frames per channel, and keeps them for a while, so that a node that missed frames can request them.
 * A channel without traffic is forgotten. Its next frame has a sequence above all that this process has used on any channel.
 */
export class History {
  readonly #options: HistoryOptions;
  readonly #now: () => number;
  readonly #slab = new Slab();
  readonly #channels = new Map<string, ChannelHistory>();
  /** All kept frames, oldest first. */
  readonly #kept = new Queue<SentFrame>();
  #keptBytes = 0;
  /** The highest sequence that was used. A forgotten channel starts above it, so that receivers do not drop its frames as old. */
  #ceiling = 0;
  /** When the newest frame that is no longer kept was sent. */
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
  /** The clock of kept frames, in milliseconds. It stands still while the link is down. */
  get now(): number {
    return (this.#pausedAt ?? this.#now()) - this.#pausedMs;
  }

  /** Stops the clock during an outage: nodes cannot request frames that they miss. */
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

  /** Marks the sequence of a message that was refused to its publisher. */
  void(sent: SentFrame): void {
    sent.isVoid = true;
    const history = this.#channels.get(sent.channel);
    if (!history) return;
    history.voids ??= new RangeSet();
    history.voids.add(sent.sequence, sent.sequence);
    history.voids.trim(MAX_VOID_RANGES);
  }

  /**
   * Reads sequences of a channel until their frames take `maxBytes`, and at least one frame. Frames older than `withinMs` are void:
   * the requester was not subscribed yet.
   */
  read(channel: string, [from, to]: Range, { maxBytes, withinMs = Number.POSITIVE_INFINITY }: ReadOptions): FramesRead {
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
   * Returns the claims of a heartbeat: channels with kept frames, up to `maxBytes` in JSON, beginning with the channels that were claimed
   * least often since their last frame.
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

  /** Returns the claims of every channel that has kept frames or was used within the last `ms`, in parts of up to `maxBytes`. */
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
  /** Forgets channels that had no traffic for {@link rememberedMs} and have no kept frames. */
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
      this.#channels.get(oldest.channel)?.sent.shift(); // the same frame: both queues have the order of sending
    }
  }
}

const claimOf = ({ sent, last }: ChannelHistory): Range => [(sent.at(0)?.sequence ?? last + 1) - 1, last];

/** Returns why sequences have no frame. */
function classify(history: ChannelHistory | undefined, absent: readonly Range[]): Pick<FramesRead, 'gone' | 'void' | 'unsent'> {
  const gone = new RangeSet(absent);
  if (!history) return { gone: absent, void: [], unsent: [] };
  const unsent = gone.delete(history.last + 1, Number.MAX_SAFE_INTEGER);
  const unused = gone.delete(0, history.first - 1);
  const refused = (history.voids?.slice(MAX_VOID_RANGES) ?? []).flatMap(([from, to]) => gone.delete(from, to));
  return { gone: gone.slice(Number.POSITIVE_INFINITY), void: [...unused, ...refused], unsent };
}
