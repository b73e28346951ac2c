import { MessageType, type Codec, type Wire } from '@hubline/protocol';
import type { Clock } from './clock.ts';

/** A client is probed at most once in this many replaceable messages, because an acknowledgement costs more than one of them. */
const PROBE_EVERY = 16;
/** The least and the greatest pause between two probes. An acknowledgement in time doubles the pause. */
const PAUSE_MS = 500;
const MAX_PAUSE_MS = 4_000;
/** How much longer than its fastest acknowledgement a client may take until it counts as late. */
const LATE_MS = 250;

/**
 * Detects a client whose program handles its messages late, although its socket may have read them long before: the client acknowledges a
 * probe when it has handled everything before it. A client that has never acknowledged one does not count as late.
 */
export class AckProbe {
  /** The message that the client acknowledges. */
  readonly message: Wire;
  readonly #clock: Pick<Clock, 'elapsed'>;
  #sentAt = Number.NEGATIVE_INFINITY;
  #isPending = false;
  #messages = 0;
  #pauseMs = PAUSE_MS;
  #fastestMs = Number.POSITIVE_INFINITY;

  constructor(codec: Codec, clock: Pick<Clock, 'elapsed'>) {
    this.message = probeIn(codec);
    this.#clock = clock;
  }

  get isLate(): boolean {
    return this.#isPending && this.#clock.elapsed() - this.#sentAt > this.#fastestMs + LATE_MS;
  }

  /** Counts a replaceable message. Returns whether the probe must be sent now. */
  begin(): boolean {
    if (this.#isPending || this.#messages++ % PROBE_EVERY > 0) return false;
    const now = this.#clock.elapsed();
    if (now - this.#sentAt < this.#pauseMs) return false;
    this.#sentAt = now;
    return (this.#isPending = true);
  }

  acknowledged(): void {
    if (!this.#isPending) return;
    this.#pauseMs = this.isLate ? PAUSE_MS : Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
    this.#isPending = false;
    this.#fastestMs = Math.min(this.#fastestMs, this.#clock.elapsed() - this.#sentAt);
  }
}

/** The same bytes for all clients of a protocol, so that they share the bytes of a turn. */
const probes = new WeakMap<Codec, Wire>();
function probeIn(codec: Codec): Wire {
  let probe = probes.get(codec);
  if (probe === undefined) probes.set(codec, (probe = codec.encode({ type: MessageType.Sequence, sequenceId: 0 })));
  return probe;
}
