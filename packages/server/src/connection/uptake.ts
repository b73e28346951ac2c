import { MessageType, type Codec, type Wire } from '@hubline/protocol';
import type { Clock } from './clock.ts';

/** A client is asked at most once in so many replaceable messages: its answer costs more than one of them. */
const ASK_EVERY = 16;
/** The pause between two questions. An answer in time doubles it, up to the second number. */
const PAUSE_MS = 500;
const MAX_PAUSE_MS = 4_000;
/** How much longer than its fastest answer a client may take until it counts as late. */
const LATE_MS = 250;

/**
 * Knows whether a client's program takes its messages in time. The client's socket may take everything long before: the client answers
 * when it has handled all that it was sent before the question. A client that has never answered does not count as late.
 */
export class Uptake {
  /** The client answers it when it has handled all messages before it. */
  readonly question: Wire;
  readonly #clock: Pick<Clock, 'elapsed'>;
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsked = false;
  #messages = 0;
  #pauseMs = PAUSE_MS;
  #fastestMs = Number.POSITIVE_INFINITY;

  constructor(codec: Codec, clock: Pick<Clock, 'elapsed'>) {
    this.question = questionIn(codec);
    this.#clock = clock;
  }

  get isLate(): boolean {
    return this.#isAsked && this.#clock.elapsed() - this.#askedAt > this.#fastestMs + LATE_MS;
  }

  /** Called after each replaceable message. Whether to ask the client now: it is then asked. */
  ask(): boolean {
    if (this.#isAsked || this.#messages++ % ASK_EVERY > 0) return false;
    const now = this.#clock.elapsed();
    if (now - this.#askedAt < this.#pauseMs) return false;
    this.#askedAt = now;
    return (this.#isAsked = true);
  }

  answered(): void {
    if (!this.#isAsked) return;
    this.#pauseMs = this.isLate ? PAUSE_MS : Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
    this.#isAsked = false;
    this.#fastestMs = Math.min(this.#fastestMs, this.#clock.elapsed() - this.#askedAt);
  }
}

/** The same bytes for all clients of a protocol, so that they share what a turn writes. */
const questions = new WeakMap<Codec, Wire>();
function questionIn(codec: Codec): Wire {
  let question = questions.get(codec);
  if (question === undefined) questions.set(codec, (question = codec.encode({ type: MessageType.Sequence, sequenceId: 0 })));
  return question;
}
