import type { PublishOptions } from '@hubline/server/backplane';
import { encodeFrame } from './frame.ts';
import { BUFFER_BYTES, type OnUnavailable } from './options.ts';
import { Sequences } from './sequences.ts';
import { byShard, type Store } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface DeparturesOptions {
  readonly store: Store;
  readonly channelOf: (name: string) => string;
  /** This process's incarnation at the moment. */
  readonly origin: () => string;
  readonly onUnavailable: OnUnavailable;
  /** Whether a channel can be used; none can before the first connection. */
  readonly reaches: (channel: string) => boolean;
  /** Whether what comes back on this node's own channel would be heard. */
  readonly hearsAnswers: () => boolean;
  /** Whether those who should hear a channel are (still) not back after an outage. */
  readonly isGated: (channel: string) => boolean;
  /** Redis did not say whether it has a message. */
  readonly failed: (error: unknown) => void;
}

interface Departure {
  readonly channel: string;
  readonly payload: Uint8Array;
  readonly mayWait: boolean;
  readonly since: number;
  /** Made when it is sent first. Sent again it is the same, so that whoever has it drops the second. */
  frame: Buffer | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * What this node publishes: in order, everything of a turn in one trip. What Redis has not confirmed when the link is lost is
 * sent again before anything newer; what comes while its channel is not reached waits, within bounds, for those it is meant for.
 */
export class Departures {
  readonly #options: DeparturesOptions;
  readonly #sequences = new Sequences();
  #waiting: Departure[] = [];
  readonly #inFlight = new Set<Departure>();
  /** Bytes of all that waits, also for the end of this turn. */
  #waitingBytes = 0;
  /** Before it is known whether Redis can be reached, everything waits. */
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #isScheduled = false;
  #isClosing = false;
  /** Settles when everything that was sent is confirmed, or will not be. */
  #sent: Promise<unknown> = Promise.resolve();

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  publish(channel: string, payload: Uint8Array, { mayWait = false, expectsAnswer = false }: PublishOptions): Promise<void> {
    const { onUnavailable, hearsAnswers } = this.#options;
    if (this.#isClosing) return Promise.reject(unavailable('The link is closed.'));
    const isDown = this.#isDown(channel);
    if (isDown || (expectsAnswer && this.#state !== 'connecting' && !hearsAnswers())) {
      if (mayWait && onUnavailable === 'local-only') return Promise.resolve();
      if (!mayWait || onUnavailable === 'reject') return Promise.reject(unavailable('The backplane is down.'));
    }
    if (isDown || this.#isGated(channel)) {
      const { bufferBytes } = boundsOf(onUnavailable);
      if (this.#waitingBytes + payload.length > bufferBytes) {
        return Promise.reject(unavailable(`The backplane is down, and ${bufferBytes} bytes wait for it already.`));
      }
    }
    return new Promise((resolve, reject) => {
      this.#wait({ channel, payload, mayWait, since: performance.now(), frame: undefined, resolve, reject });
      this.schedule();
    });
  }

  /** Those who were away may be back: what waits for them can go. */
  schedule(): void {
    if (this.#isScheduled || this.#state !== 'open' || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#sent = Promise.all([this.#sent, this.#send()]);
    });
  }

  up(): void {
    if (this.#state === 'closed') return;
    this.#state = 'open';
    this.schedule();
  }

  /** Some channels are not reached. What was on its way there may have arrived or not. What must not wait is lost, and says so. */
  down(): void {
    if (this.#state === 'closed') return;
    this.#state = 'open';
    const stopped = [...this.#inFlight].filter(({ channel }) => this.#isDown(channel));
    for (const departure of stopped) this.#inFlight.delete(departure);
    const all = [...stopped, ...this.#waiting];
    this.#waiting = [];
    this.#waitingBytes = 0;
    const { onUnavailable } = this.#options;
    const keeps = typeof onUnavailable === 'object';
    for (const departure of all) {
      if ((departure.mayWait && keeps) || !this.#isDown(departure.channel)) this.#wait(departure);
      else if (departure.mayWait && onUnavailable === 'local-only') departure.resolve();
      else departure.reject(unavailable('The backplane went down before it confirmed the message.'));
    }
    this.schedule();
  }

  /** What was published before leaves, where it can; the rest is refused. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([this.#sent, this.#send()]);
    this.#state = 'closed';
    for (const { reject } of [...this.#inFlight, ...this.#waiting]) reject(unavailable('The link was closed.'));
    this.#inFlight.clear();
    this.#waiting = [];
  }

  /** Whether something has waited longer than it may for others to come back; what waits for Redis so long is lost. */
  prune(): boolean {
    const { bufferMs } = boundsOf(this.#options.onUnavailable);
    const until = performance.now() - bufferMs;
    const late = this.#waiting.filter(({ since }) => since < until);
    const lost = new Set(late.filter(({ channel }) => this.#isDown(channel)));
    if (lost.size > 0) this.#waiting = this.#waiting.filter((departure) => !lost.has(departure));
    for (const { payload, reject } of lost) {
      this.#waitingBytes -= payload.length;
      reject(unavailable(`The backplane was down for longer than ${bufferMs} ms.`));
    }
    return late.length > lost.size;
  }

  /** The last number that was sent, on each channel that passes. What waits to be sent again has a number, and is not lost. */
  lastSequences(passes: (channel: string) => boolean): Readonly<Record<string, number>> {
    const again = new Set(this.#waiting.filter(({ frame }) => frame).map(({ channel }) => channel));
    return this.#sequences.last((channel) => passes(channel) && !again.has(channel));
  }
  forgetIdle(idleMs: number): void {
    this.#sequences.forget(idleMs);
  }

  #wait(departure: Departure): void {
    this.#waiting.push(departure);
    this.#waitingBytes += departure.payload.length;
  }

  async #send(): Promise<void> {
    if (this.#state !== 'open') return;
    const { store, channelOf } = this.#options;
    const all = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const batch: Departure[] = [];
    const stuck = new Set<string>(); // on one channel nothing overtakes
    for (const departure of all) {
      const { channel } = departure;
      if (stuck.has(channel) || this.#isDown(channel) || this.#isGated(channel)) {
        stuck.add(channel);
        this.#wait(departure);
      } else {
        batch.push(departure);
        this.#inFlight.add(departure);
      }
    }
    await Promise.all(byShard(store, batch, ({ channel }) => channelOf(channel)).map((group) => this.#sendTogether(group)));
  }

  /** To one shard. */
  async #sendTogether(batch: readonly Departure[]): Promise<void> {
    const { store, channelOf, failed } = this.#options;
    try {
      const answers = await store.publish(batch.map((departure) => [channelOf(departure.channel), this.#frame(departure)]));
      batch.forEach((departure, i) => {
        if (!this.#inFlight.delete(departure)) return; // the link went down meanwhile: it is sent again, or lost
        const refusal = answers[i];
        if (refusal) departure.reject(unavailable(`Redis refused a message: ${refusal.message}`, refusal));
        else departure.resolve();
      });
    } catch (error) {
      // `down` has said what becomes of those whose shard is lost. Where it is not, they go again.
      const left = batch.filter((departure) => this.#inFlight.delete(departure));
      if (left.length === 0) return;
      const newer = this.#waiting;
      this.#waiting = [];
      for (const departure of left) this.#wait(departure);
      this.#waiting.push(...newer);
      failed(error);
    }
  }

  #isDown(channel: string): boolean {
    return this.#state === 'open' && !this.#options.reaches(channel);
  }

  /** Where others need not hear it, it is for those who are there. */
  #isGated(channel: string): boolean {
    return this.#options.onUnavailable !== 'local-only' && this.#options.isGated(channel);
  }

  #frame(departure: Departure): Buffer {
    const { channel, payload } = departure;
    return (departure.frame ??= encodeFrame({ origin: this.#options.origin(), payload, ...this.#sequences.next(channel) }));
  }
}

/** With the other policies a message still waits for the end of its turn, for the first connection, and for those it is meant for. */
function boundsOf(policy: OnUnavailable) {
  return typeof policy === 'object' ? policy : { bufferBytes: BUFFER_BYTES, bufferMs: Number.POSITIVE_INFINITY };
}
