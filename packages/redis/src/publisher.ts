import type { PublishOptions } from '@hubline/server/backplane';
import type { History, SentFrame } from './history.ts';
import { BUFFER_BYTES, type OnUnavailable } from './options.ts';
import type { Store } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface PublisherOptions {
  readonly store: Pick<Store, 'isOne' | 'publish' | 'tagOf' | 'ping'>;
  readonly channelOf: (name: string) => string;
  readonly history: Pick<History, 'add' | 'void'>;
  readonly onUnavailable: OnUnavailable;
  /** Whether a channel can be used; none can before the first connection. */
  readonly reaches: (channel: string) => boolean;
  /** Whether this node is subscribed to its own channel, on which answers arrive. */
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
  /** The channel and the key of a message that a newer one may replace while it waits. */
  readonly key: string | undefined;
  readonly since: number;
  /** Made once: a frame that is sent again has the same sequence, so that receivers drop the second copy. */
  sent: SentFrame | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Messages to one shard that go together. */
interface Trip {
  readonly posts: Post[];
  bytes: number;
  /** More waits for this shard, and leaves when this trip is acknowledged and this node's subscriber has read as far. */
  isFull: boolean;
}

/**
 * Payload bytes of one trip. After an outage everything that waited would leave at once: four nodes with 12 MB each tripped
 * Redis's output limit for subscribers, and a third of it was lost. An acknowledgement is faster than a busy subscriber reads, so
 * a PING on this node's own subscriber tells when the next trip leaves.
 */
const TRIP_BYTES = 256 * 1024;
/** Approximate memory of a waiting message beside its payload. */
const POST_BYTES = 256;

/**
 * Publishes this node's messages in order, with one Redis round trip per turn of the event loop. On a Redis Cluster, where a trip may
 * have to follow its slots, the next one to a shard leaves after its acknowledgement, with everything that waited. Messages that Redis
 * had not acknowledged when the link was lost are sent again before newer ones; messages to an unreachable channel wait, within bounds.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #waiting = new Set<Post>();
  /** Those of the waiting messages that have a key and were not sent with their turn. */
  readonly #replaceable = new Map<string, Post>();
  readonly #inFlight = new Set<Post>();
  /** Of all waiting messages, those of the present turn included. */
  #waitingBytes = 0;
  /** All messages wait until the first connection succeeds or fails. */
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #isScheduled = false;
  #isClosing = false;
  readonly #trips = new Set<Promise<void>>();
  /** Shards whose next trip leaves when the last one is acknowledged. */
  readonly #paced = new Set<string>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(channel: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const { mayWait = false, expectsReply = false, replaces } = options;
    const key = replaces === undefined ? undefined : `${channel} ${replaces}`; // no channel has a space
    const { onUnavailable, hearsAnswers } = this.#options;
    if (this.#isClosing) return Promise.reject(unavailable('The link is closed.'));
    const isDown = this.#isDown(channel);
    if (isDown || (expectsReply && this.#state !== 'connecting' && !hearsAnswers())) {
      if (mayWait && onUnavailable === 'local-only') return Promise.resolve();
      if (!mayWait || onUnavailable === 'reject') return Promise.reject(unavailable('The backplane is down.'));
    }
    const older = key === undefined ? undefined : this.#replaceable.get(key);
    const mustWait = isDown || this.#state === 'connecting' || this.#isGated(channel);
    if (mustWait) {
      const { bufferBytes } = boundsOf(onUnavailable);
      if (this.#waitingBytes + costOf(payload) - (older ? costOf(older.payload) : 0) > bufferBytes) {
        return Promise.reject(unavailable(`The backplane is down, and ${bufferBytes} bytes wait for it already.`));
      }
    }
    return new Promise((resolve, reject) => {
      const post: Post = { channel, payload, mayWait, key, since: performance.now(), sent: undefined, resolve, reject };
      this.#wait(post);
      if (mustWait || older) this.#replace(post);
      if (!mustWait) this.schedule();
    });
  }

  /** Sends waiting messages at the end of the turn; called when a gate may have opened. */
  schedule(): void {
    if (this.#isScheduled || this.#state !== 'open' || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
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
    const all = [...stopped, ...this.#takeWaiting()];
    const { onUnavailable } = this.#options;
    const keeps = typeof onUnavailable === 'object';
    for (const post of all) {
      if ((post.mayWait && keeps) || !this.#isDown(post.channel)) this.#wait(post);
      else if (post.mayWait && onUnavailable === 'local-only') post.resolve();
      else this.#refuse(post, 'The backplane went down before it confirmed the message.');
    }
    this.schedule();
  }

  /** Sends the waiting messages that can be sent, and rejects the rest. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#send();
    while (this.#trips.size > 0) await Promise.all(this.#trips);
    this.#state = 'closed';
    for (const post of [...this.#inFlight, ...this.#takeWaiting()]) this.#refuse(post, 'The link was closed.');
    this.#inFlight.clear();
  }

  /**
   * Rejects messages that waited for Redis longer than `bufferMs`. Returns whether others waited as long for nodes to come back.
   */
  prune(): boolean {
    const { bufferMs } = boundsOf(this.#options.onUnavailable);
    const until = performance.now() - bufferMs;
    const late = [...this.#waiting].filter(({ since }) => since < until);
    const lost = late.filter(({ channel }) => this.#isDown(channel));
    for (const post of lost) {
      this.#drop(post);
      this.#refuse(post, `The backplane was down for longer than ${bufferMs} ms.`);
    }
    return late.length > lost.length;
  }

  /** Channels on which frames wait to be sent again. */
  unsent(): ReadonlySet<string> {
    return new Set([...this.#waiting].filter(({ sent }) => sent).map(({ channel }) => channel));
  }

  #wait(post: Post): void {
    this.#waiting.add(post);
    this.#waitingBytes += costOf(post.payload);
  }

  #drop(post: Post): void {
    this.#waiting.delete(post);
    this.#waitingBytes -= costOf(post.payload);
    if (post.key !== undefined && this.#replaceable.get(post.key) === post) this.#replaceable.delete(post.key);
  }

  /**
   * Lets a message that stays waiting replace the one before it with its key, whose promise resolves. It keeps its own place, behind
   * all messages before it. A frame that was sent once is kept: receivers may know its sequence.
   */
  #replace(post: Post): void {
    if (post.key === undefined || post.sent) return;
    const older = this.#replaceable.get(post.key);
    if (older) {
      this.#drop(older);
      older.resolve();
    }
    this.#replaceable.set(post.key, post);
  }

  #takeWaiting(): Iterable<Post> {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    this.#waitingBytes = 0;
    this.#replaceable.clear();
    return waiting;
  }

  /** Receivers that miss its frame have lost nothing: its caller is told. */
  #refuse(post: Post, why: string, cause?: unknown): void {
    if (post.sent) this.#options.history.void(post.sent);
    post.reject(unavailable(why, cause));
  }

  #send(): void {
    if (this.#state !== 'open') return;
    const { store, channelOf } = this.#options;
    const trips = new Map<string, Trip>();
    const stuck = new Set<string>(); // keeps the order on a channel
    for (const post of this.#takeWaiting()) {
      const { channel } = post;
      const tag = stuck.has(channel) || this.#isDown(channel) || this.#isGated(channel) ? undefined : store.tagOf(channelOf(channel));
      if (tag === undefined || this.#paced.has(tag) || !board(trips, tag, post)) {
        stuck.add(channel);
        this.#wait(post);
        this.#replace(post);
      } else this.#inFlight.add(post);
    }
    for (const [tag, trip] of trips) this.#depart(tag, trip);
  }

  #depart(tag: string, { posts, isFull }: Trip): void {
    const isPaced = isFull || !this.#options.store.isOne;
    if (isPaced) this.#paced.add(tag);
    const sent = this.#sendTogether(posts);
    // A failed PING needs no report here: the link loses that connection too, and reports it.
    const read = isFull ? sent.then(() => this.#options.store.ping()).catch(() => undefined) : sent;
    const trip = read.finally(() => {
      this.#trips.delete(trip);
      if (!isPaced) return;
      this.#paced.delete(tag);
      this.#send();
    });
    this.#trips.add(trip);
  }

  /** Sends messages whose channels are on one shard, in one round trip. Never rejects. */
  async #sendTogether(posts: readonly Post[]): Promise<void> {
    const { store, channelOf, failed } = this.#options;
    try {
      const answers = await store.publish(posts.map((post) => [channelOf(post.channel), this.#frame(post)]));
      posts.forEach((post, i) => {
        if (!this.#inFlight.delete(post)) return; // the link went down meanwhile, and `down` has decided about it
        const refusal = answers[i];
        if (refusal) this.#refuse(post, `Redis refused a message: ${refusal.message}`, refusal);
        else post.resolve();
      });
    } catch (error) {
      // `down` has decided about messages of a lost shard. Those of a shard that still answers are sent again.
      const left = posts.filter((post) => this.#inFlight.delete(post));
      if (left.length === 0) return;
      for (const post of [...left, ...this.#takeWaiting()]) this.#wait(post);
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
    return (post.sent ??= this.#options.history.add(post.channel, post.payload)).frame;
  }
}

/** Adds a message to the trip to its shard, unless that is full. */
function board(trips: Map<string, Trip>, tag: string, post: Post): boolean {
  const trip = trips.get(tag) ?? { posts: [], bytes: 0, isFull: false };
  trips.set(tag, trip);
  const bytes = trip.bytes + costOf(post.payload);
  trip.isFull ||= trip.posts.length > 0 && bytes > TRIP_BYTES;
  if (trip.isFull) return false;
  trip.posts.push(post);
  trip.bytes = bytes;
  return true;
}

const costOf = (payload: Uint8Array): number => payload.length + POST_BYTES;

/** The other policies too let a message wait for the end of its turn, for the first connection, and for absent nodes. */
function boundsOf(policy: OnUnavailable) {
  return typeof policy === 'object' ? policy : { bufferBytes: BUFFER_BYTES, bufferMs: Number.POSITIVE_INFINITY };
}
