import { nodeChannel, type PublishOptions } from '@hubline/server/backplane';
import type { History, SentFrame } from './history.ts';
import type { Keys } from './keys.ts';
import type { LinkContext, LinkEvents } from './link-context.ts';
import { BUFFER_BYTES, type OnUnavailable, type RedisSettings } from './options.ts';
import type { Peers } from './peers.ts';
import type { SlotAvailability } from './slot-availability.ts';
import type { Store } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface PublisherOptions extends Pick<LinkContext, 'self'> {
  readonly store: Pick<Store, 'isSingleRedis' | 'publish' | 'tagOf' | 'ping'>;
  readonly keys: Pick<Keys, 'channel'>;
  readonly settings: Pick<RedisSettings, 'onUnavailable'>;
  readonly availability: Pick<SlotAvailability, 'hasChannel'>;
  readonly history: Pick<History, 'add' | 'void'>;
  readonly peers: Pick<Peers, 'mustWait'>;
  readonly events: Pick<LinkEvents, 'commandFailed'>;
}

/** A message, from the call of `publish` until its promise settles. */
interface Publication {
  readonly channel: string;
  readonly payload: Uint8Array;
  readonly mayWait: boolean;
  /** The channel and the option `replaces` of a message that a newer one may replace while it waits. */
  readonly key: string | undefined;
  readonly since: number;
  /** Made once: a frame that is sent again keeps its sequence, so that receivers drop the second copy. */
  sent: SentFrame | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Messages to one shard that are sent in one round trip. */
interface Batch {
  readonly publications: Publication[];
  bytes: number;
  /** Further messages wait until Redis has acknowledged this batch, and this node's subscriber has received as much. */
  isFull: boolean;
}

/**
 * Bytes of one batch. Without this limit all waiting messages are sent at once after an outage: four nodes with 12 MB each exceeded
 * Redis's output limit for subscribers, and a third of the messages was lost. Redis acknowledges a batch before busy subscribers read it,
 * so the next batch waits for a PING on this node's own subscriber.
 */
const BATCH_BYTES = 256 * 1024;
/** The approximate memory of a waiting message without its payload, in bytes. */
const PUBLICATION_BYTES = 256;

/**
 * Publishes this node's messages in order, with one Redis round trip per turn of the event loop. On a Redis Cluster, where a batch may
 * be redirected, the next batch to a shard waits for its acknowledgement. After an outage messages that Redis has not acknowledged are
 * sent again before newer ones. Messages to an unavailable channel wait, within bounds.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #waiting = new Set<Publication>();
  /** Waiting messages that have a key and were not sent at the end of their turn. */
  readonly #replaceable = new Map<string, Publication>();
  readonly #inFlight = new Set<Publication>();
  /** Bytes of all waiting messages, including those of the present turn. */
  #waitingBytes = 0;
  /** While `connecting`, all messages wait until the first connection has succeeded or failed. */
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #isScheduled = false;
  #isClosing = false;
  readonly #batches = new Set<Promise<void>>();
  /** Tags of shards whose next batch waits for the acknowledgement of the last one. */
  readonly #waitingForAcknowledgement = new Set<string>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(channel: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const { mayWait = false, expectsReply = false, replaces } = options;
    const key = replaces === undefined ? undefined : `${channel} ${replaces}`; // no channel has a space
    const { settings, availability, self } = this.#options;
    const { onUnavailable } = settings;
    if (this.#isClosing) return Promise.reject(unavailable('The link is closed.'));
    const isDown = this.#isDown(channel);
    const lacksReplies = expectsReply && this.#state !== 'connecting' && !availability.hasChannel(nodeChannel(self.process));
    if (isDown || lacksReplies) {
      if (mayWait && onUnavailable === 'local-only') return Promise.resolve();
      if (!mayWait || onUnavailable === 'reject') return Promise.reject(unavailable('The backplane is down.'));
    }
    const older = key === undefined ? undefined : this.#replaceable.get(key);
    const mustWait = isDown || this.#state === 'connecting' || this.#mustWait(channel);
    if (mustWait) {
      const { bufferBytes } = boundsOf(onUnavailable);
      if (this.#waitingBytes + costOf(payload) - (older ? costOf(older.payload) : 0) > bufferBytes) {
        return Promise.reject(unavailable(`The backplane is down, and ${bufferBytes} bytes wait for it already.`));
      }
    }
    return new Promise((resolve, reject) => {
      const publication: Publication = { channel, payload, mayWait, key, since: performance.now(), sent: undefined, resolve, reject };
      this.#wait(publication);
      if (mustWait || older) this.#replace(publication);
      if (!mustWait) this.schedule();
    });
  }

  /** Sends waiting messages at the end of the turn. Called also when messages may no longer have to wait. */
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

  /** Handles an outage: messages in flight to unavailable channels wait again or, if the policy does not keep them, are rejected. */
  down(): void {
    if (this.#state === 'closed') return;
    this.#state = 'open';
    const stopped = [...this.#inFlight].filter(({ channel }) => this.#isDown(channel));
    for (const publication of stopped) this.#inFlight.delete(publication);
    const all = [...stopped, ...this.#takeWaiting()];
    const { onUnavailable } = this.#options.settings;
    const keeps = typeof onUnavailable === 'object';
    for (const publication of all) {
      if ((publication.mayWait && keeps) || !this.#isDown(publication.channel)) this.#wait(publication);
      else if (publication.mayWait && onUnavailable === 'local-only') publication.resolve();
      else this.#refuse(publication, 'The backplane went down before it confirmed the message.');
    }
    this.schedule();
  }

  /** Sends the waiting messages that can be sent, and rejects the others. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#send();
    while (this.#batches.size > 0) await Promise.all(this.#batches);
    this.#state = 'closed';
    for (const publication of [...this.#inFlight, ...this.#takeWaiting()]) this.#refuse(publication, 'The link was closed.');
    this.#inFlight.clear();
  }

  /**
   * Rejects messages that waited for Redis longer than `bufferMs`. Returns whether others waited as long for nodes to subscribe again.
   */
  prune(): boolean {
    const { bufferMs } = boundsOf(this.#options.settings.onUnavailable);
    const until = performance.now() - bufferMs;
    const late = [...this.#waiting].filter(({ since }) => since < until);
    const lost = late.filter(({ channel }) => this.#isDown(channel));
    for (const publication of lost) {
      this.#drop(publication);
      this.#refuse(publication, `The backplane was down for longer than ${bufferMs} ms.`);
    }
    return late.length > lost.length;
  }

  /** Returns the channels on which frames wait to be sent again. */
  unsent(): ReadonlySet<string> {
    return new Set([...this.#waiting].filter(({ sent }) => sent).map(({ channel }) => channel));
  }

  #wait(publication: Publication): void {
    this.#waiting.add(publication);
    this.#waitingBytes += costOf(publication.payload);
  }

  #drop(publication: Publication): void {
    this.#waiting.delete(publication);
    this.#waitingBytes -= costOf(publication.payload);
    if (publication.key !== undefined && this.#replaceable.get(publication.key) === publication) this.#replaceable.delete(publication.key);
  }

  /**
   * Replaces the waiting message that has the same key by a newer one, and resolves its promise. The newer message keeps its place behind
   * all messages before it. A message whose frame was sent is not replaced: receivers may know its sequence.
   */
  #replace(publication: Publication): void {
    if (publication.key === undefined || publication.sent) return;
    const older = this.#replaceable.get(publication.key);
    if (older) {
      this.#drop(older);
      older.resolve();
    }
    this.#replaceable.set(publication.key, publication);
  }

  #takeWaiting(): Iterable<Publication> {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    this.#waitingBytes = 0;
    this.#replaceable.clear();
    return waiting;
  }

  /** Rejects a message. Its sequence is void: for receivers that miss its frame no message is lost. */
  #refuse(publication: Publication, why: string, cause?: unknown): void {
    if (publication.sent) this.#options.history.void(publication.sent);
    publication.reject(unavailable(why, cause));
  }

  #send(): void {
    if (this.#state !== 'open') return;
    const { store, keys } = this.#options;
    const batches = new Map<string, Batch>();
    const stuck = new Set<string>(); // keeps the order on a channel
    for (const publication of this.#takeWaiting()) {
      const { channel } = publication;
      const tag = stuck.has(channel) || this.#isDown(channel) || this.#mustWait(channel) ? undefined : store.tagOf(keys.channel(channel));
      if (tag === undefined || this.#waitingForAcknowledgement.has(tag) || !addTo(batches, tag, publication)) {
        stuck.add(channel);
        this.#wait(publication);
        this.#replace(publication);
      } else this.#inFlight.add(publication);
    }
    for (const [tag, batch] of batches) this.#sendBatch(tag, batch);
  }

  #sendBatch(tag: string, { publications, isFull }: Batch): void {
    const mustAcknowledge = isFull || !this.#options.store.isSingleRedis;
    if (mustAcknowledge) this.#waitingForAcknowledgement.add(tag);
    const sent = this.#sendTogether(publications);
    // A failed PING needs no report here: the connection fails too, and the link reports that.
    const read = isFull ? sent.then(() => this.#options.store.ping()).catch(() => undefined) : sent;
    const batch = read.finally(() => {
      this.#batches.delete(batch);
      if (!mustAcknowledge) return;
      this.#waitingForAcknowledgement.delete(tag);
      this.#send();
    });
    this.#batches.add(batch);
  }

  /** Sends messages to one shard in one round trip. Never rejects. */
  async #sendTogether(publications: readonly Publication[]): Promise<void> {
    const { store, keys, events } = this.#options;
    try {
      const answers = await store.publish(publications.map((publication) => [keys.channel(publication.channel), this.#frame(publication)]));
      publications.forEach((publication, i) => {
        if (!this.#inFlight.delete(publication)) return; // an outage has begun, and `down` has handled the message
        const refusal = answers[i];
        if (refusal) this.#refuse(publication, `Redis refused a message: ${refusal.message}`, refusal);
        else publication.resolve();
      });
    } catch (error) {
      // `down` has handled the messages of an unavailable shard. Those of a shard that still answers are sent again.
      const left = publications.filter((publication) => this.#inFlight.delete(publication));
      if (left.length === 0) return;
      for (const publication of [...left, ...this.#takeWaiting()]) this.#wait(publication);
      events.commandFailed(error);
    }
  }

  #isDown(channel: string): boolean {
    return this.#state === 'open' && !this.#options.availability.hasChannel(channel);
  }

  /** Whether a message waits for nodes that are not subscribed again. With `local-only` no message does. */
  #mustWait(channel: string): boolean {
    return this.#options.settings.onUnavailable !== 'local-only' && this.#options.peers.mustWait(channel);
  }

  #frame(publication: Publication): Buffer {
    return (publication.sent ??= this.#options.history.add(publication.channel, publication.payload)).frame;
  }
}

/** Adds a message to the batch of its shard. Returns false if the batch is full. */
function addTo(batches: Map<string, Batch>, tag: string, publication: Publication): boolean {
  const batch = batches.get(tag) ?? { publications: [], bytes: 0, isFull: false };
  batches.set(tag, batch);
  const bytes = batch.bytes + costOf(publication.payload);
  batch.isFull ||= batch.publications.length > 0 && bytes > BATCH_BYTES;
  if (batch.isFull) return false;
  batch.publications.push(publication);
  batch.bytes = bytes;
  return true;
}

const costOf = (payload: Uint8Array): number => payload.length + PUBLICATION_BYTES;

/** Returns the bounds of the buffer. With any policy messages wait for the end of their turn, the first connection, and unsubscribed nodes. */
function boundsOf(policy: OnUnavailable) {
  return typeof policy === 'object' ? policy : { bufferBytes: BUFFER_BYTES, bufferMs: Number.POSITIVE_INFINITY };
}
