import { MessageType, type Codec, type Wire } from '@hubline/protocol';
import type { Clock } from './clock.ts';

/** A client that gets replaceable messages is asked at most this often whether it has taken them. */
const ASK_EVERY_MS = 500;
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
  #fastestMs = Number.POSITIVE_INFINITY;

  constructor(codec: Codec, clock: Pick<Clock, 'elapsed'>) {
    this.question = questionIn(codec);
    this.#clock = clock;
  }

  get isLate(): boolean {
    return this.#isAsked && this.#clock.elapsed() - this.#askedAt > this.#fastestMs + LATE_MS;
  }

  /** Whether to ask the client now. It is then asked. */
  ask(): boolean {
    const now = this.#clock.elapsed();
    if (this.#isAsked || now - this.#askedAt < ASK_EVERY_MS) return false;
    this.#askedAt = now;
    return (this.#isAsked = true);
  }

  answered(): void {
    if (!this.#isAsked) return;
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
