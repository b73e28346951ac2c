import type { PublishOptions } from '@hubline/server/backplane';
import { encodeFrame } from './frame.ts';
import { BUFFER_BYTES, type OnUnavailable } from './options.ts';
import { Sequences } from './sequences.ts';
import { byShard, type Store } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface PublisherOptions {
  readonly store: Store;
  readonly channelOf: (name: string) => string;
  /** This process's incarnation at the moment. */
  readonly origin: () => string;
  readonly onUnavailable: OnUnavailable;
  /** Whether a channel can be used; none can before the first connection. */
  readonly reaches: (channel: string) => boolean;
  /** Whether this node hears its own channel, on which answers arrive. */
  readonly hearsAnswers: () => boolean;
  /** Whether nodes that are subscribed to a channel are not back yet after an outage. */
  readonly isGated: (channel: string) => boolean;
  /** Called when an answer of Redis to a PUBLISH is lost. */
  readonly failed: (error: unknown) => void;
}

interface Post {
  readonly channel: string;
  readonly payload: Uint8Array;
  readonly mayWait: boolean;
  readonly since: number;
  /** Encoded once: a frame that is sent again has the same sequence, so that receivers drop the second copy. */
  frame: Buffer | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Publishes this node's messages in order, with one Redis round trip per turn of the event loop. Messages that Redis had not
 * acknowledged when the link was lost are sent again before newer ones; messages to an unreachable channel wait, within bounds.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #sequences = new Sequences();
  #waiting: Post[] = [];
  readonly #inFlight = new Set<Post>();
  /** Payload bytes of all waiting messages, those of the present turn included. */
  #waitingBytes = 0;
  /** All messages wait until the first connection succeeds or fails. */
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #isScheduled = false;
  #isClosing = false;
  /** Settles when every sent message is acknowledged or failed. */
  #sent: Promise<unknown> = Promise.resolve();

  constructor(options: PublisherOptions) {
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

  /** Sends waiting messages at the end of the turn; called when a gate may have opened. */
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

  /** Some channels became unreachable: messages in flight there wait again, or are rejected where the policy does not keep them. */
  down(): void {
    if (this.#state === 'closed') return;
    this.#state = 'open';
    const stopped = [...this.#inFlight].filter(({ channel }) => this.#isDown(channel));
    for (const post of stopped) this.#inFlight.delete(post);
    const all = [...stopped, ...this.#waiting];
    this.#waiting = [];
    this.#waitingBytes = 0;
    const { onUnavailable } = this.#options;
    const keeps = typeof onUnavailable === 'object';
    for (const post of all) {
      if ((post.mayWait && keeps) || !this.#isDown(post.channel)) this.#wait(post);
      else if (post.mayWait && onUnavailable === 'local-only') post.resolve();
      else post.reject(unavailable('The backplane went down before it confirmed the message.'));
    }
    this.schedule();
  }

  /** Sends the waiting messages that can be sent, and rejects the rest. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([this.#sent, this.#send()]);
    this.#state = 'closed';
    for (const { reject } of [...this.#inFlight, ...this.#waiting]) reject(unavailable('The link was closed.'));
    this.#inFlight.clear();
    this.#waiting = [];
  }

  /**
   * Rejects messages that waited for Redis longer than `bufferMs`. Returns whether others waited as long for nodes to come back.
   */
  prune(): boolean {
    const { bufferMs } = boundsOf(this.#options.onUnavailable);
    const until = performance.now() - bufferMs;
    const late = this.#waiting.filter(({ since }) => since < until);
    const lost = new Set(late.filter(({ channel }) => this.#isDown(channel)));
    if (lost.size > 0) this.#waiting = this.#waiting.filter((post) => !lost.has(post));
    for (const { payload, reject } of lost) {
      this.#waitingBytes -= payload.length;
      reject(unavailable(`The backplane was down for longer than ${bufferMs} ms.`));
    }
    return late.length > lost.size;
  }

  /** The last sequence of each channel that passes, except channels on which a sent message waits to be sent again. */
  lastSequences(passes: (channel: string) => boolean): Readonly<Record<string, number>> {
    const again = new Set(this.#waiting.filter(({ frame }) => frame).map(({ channel }) => channel));
    return this.#sequences.last((channel) => passes(channel) && !again.has(channel));
  }
  forgetIdle(idleMs: number): void {
    this.#sequences.forget(idleMs);
  }

  #wait(post: Post): void {
    this.#waiting.push(post);
    this.#waitingBytes += post.payload.length;
  }

  async #send(): Promise<void> {
    if (this.#state !== 'open') return;
    const { store, channelOf } = this.#options;
    const all = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const batch: Post[] = [];
    const stuck = new Set<string>(); // keeps the order on a channel
    for (const post of all) {
      const { channel } = post;
      if (stuck.has(channel) || this.#isDown(channel) || this.#isGated(channel)) {
        stuck.add(channel);
        this.#wait(post);
      } else {
        batch.push(post);
        this.#inFlight.add(post);
      }
    }
    await Promise.all(byShard(store, batch, ({ channel }) => channelOf(channel)).map((group) => this.#sendTogether(group)));
  }

  /** Sends messages whose channels are on one shard, in one round trip. */
  async #sendTogether(batch: readonly Post[]): Promise<void> {
    const { store, channelOf, failed } = this.#options;
    try {
      const answers = await store.publish(batch.map((post) => [channelOf(post.channel), this.#frame(post)]));
      batch.forEach((post, i) => {
        if (!this.#inFlight.delete(post)) return; // the link went down meanwhile, and `down` has decided about it
        const refusal = answers[i];
        if (refusal) post.reject(unavailable(`Redis refused a message: ${refusal.message}`, refusal));
        else post.resolve();
      });
    } catch (error) {
      // `down` has decided about messages of a lost shard. Those of a shard that still answers are sent again.
      const left = batch.filter((post) => this.#inFlight.delete(post));
      if (left.length === 0) return;
      const newer = this.#waiting;
      this.#waiting = [];
      for (const post of left) this.#wait(post);
      this.#waiting.push(...newer);
      failed(error);
    }
  }

  #isDown(channel: string): boolean {
    return this.#state === 'open' && !this.#options.reaches(channel);
  }

  /** With `local-only` no message waits for absent nodes. */
  #isGated(channel: string): boolean {
    return this.#options.onUnavailable !== 'local-only' && this.#options.isGated(channel);
  }

  #frame(post: Post): Buffer {
    const { channel, payload } = post;
    return (post.frame ??= encodeFrame({ origin: this.#options.origin(), payload, ...this.#sequences.next(channel) }));
  }
}

/** The other policies too let a message wait for the end of its turn, for the first connection, and for absent nodes. */
function boundsOf(policy: OnUnavailable) {
  return typeof policy === 'object' ? policy : { bufferBytes: BUFFER_BYTES, bufferMs: Number.POSITIVE_INFINITY };
}
