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
  readonly store: Pick<Store, 'isOne' | 'publish' | 'tagOf' | 'ping'>;
  readonly keys: Pick<Keys, 'channel'>;
  readonly settings: Pick<RedisSettings, 'onUnavailable'>;
  readonly availability: Pick<SlotAvailability, 'hasChannel'>;
  readonly history: Pick<History, 'add' | 'void'>;
  readonly peers: Pick<Peers, 'mustWait'>;
  readonly events: Pick<LinkEvents, 'commandFailed'>;
}

interface Publication {
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
interface Batch {
  readonly publications: Publication[];
  bytes: number;
  /** More waits for this shard, and leaves when this batch is acknowledged and this node's subscriber has read as far. */
  isFull: boolean;
}

/**
 * Payload bytes of one batch. After an outage everything that waited would leave at once: four nodes with 12 MB each exceeded
 * Redis's output limit for subscribers, and a third of it was lost. An acknowledgement is faster than a busy subscriber reads, so
 * a PING on this node's own subscriber tells when the next batch leaves.
 */
const BATCH_BYTES = 256 * 1024;
/** Approximate memory of a waiting message beside its payload. */
const PUBLICATION_BYTES = 256;

/**
 * Publishes this node's messages in order, with one Redis round trip per turn of the event loop. On a Redis Cluster, where a batch may
 * have to follow its slots, the next one to a shard leaves after its acknowledgement, with everything that waited. Messages that Redis
 * had not acknowledged when the link was lost are sent again before newer ones; messages to an unreachable channel wait, within bounds.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #waiting = new Set<Publication>();
  /** Those of the waiting messages that have a key and were not sent with their turn. */
  readonly #replaceable = new Map<string, Publication>();
  readonly #inFlight = new Set<Publication>();
  /** Of all waiting messages, those of the present turn included. */
  #waitingBytes = 0;
  /** All messages wait until the first connection succeeds or fails. */
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #isScheduled = false;
  #isClosing = false;
  readonly #batches = new Set<Promise<void>>();
  /** Shards whose next batch leaves when the last one is acknowledged. */
  readonly #paced = new Set<string>();

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

  /** Sends the waiting messages that can be sent, and rejects the rest. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#send();
    while (this.#batches.size > 0) await Promise.all(this.#batches);
    this.#state = 'closed';
    for (const publication of [...this.#inFlight, ...this.#takeWaiting()]) this.#refuse(publication, 'The link was closed.');
    this.#inFlight.clear();
  }

  /**
   * Rejects messages that waited for Redis longer than `bufferMs`. Returns whether others waited as long for nodes to come back.
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

  /** Channels on which frames wait to be sent again. */
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
   * Lets a message that stays waiting replace the one before it with its key, whose promise resolves. It keeps its own place, behind
   * all messages before it. A frame that was sent once is kept: receivers may know its sequence.
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

  /** Receivers that miss its frame have lost nothing: its caller is told. */
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
      if (tag === undefined || this.#paced.has(tag) || !addTo(batches, tag, publication)) {
        stuck.add(channel);
        this.#wait(publication);
        this.#replace(publication);
      } else this.#inFlight.add(publication);
    }
    for (const [tag, batch] of batches) this.#sendBatch(tag, batch);
  }

  #sendBatch(tag: string, { publications, isFull }: Batch): void {
    const isPaced = isFull || !this.#options.store.isOne;
    if (isPaced) this.#paced.add(tag);
    const sent = this.#sendTogether(publications);
    // A failed PING needs no report here: the link loses that connection too, and reports it.
    const read = isFull ? sent.then(() => this.#options.store.ping()).catch(() => undefined) : sent;
    const batch = read.finally(() => {
      this.#batches.delete(batch);
      if (!isPaced) return;
      this.#paced.delete(tag);
      this.#send();
    });
    this.#batches.add(batch);
  }

  /** Sends messages whose channels are on one shard, in one round trip. Never rejects. */
  async #sendTogether(publications: readonly Publication[]): Promise<void> {
    const { store, keys, events } = this.#options;
    try {
      const answers = await store.publish(publications.map((publication) => [keys.channel(publication.channel), this.#frame(publication)]));
      publications.forEach((publication, i) => {
        if (!this.#inFlight.delete(publication)) return; // the link went down meanwhile, and `down` has decided about it
        const refusal = answers[i];
        if (refusal) this.#refuse(publication, `Redis refused a message: ${refusal.message}`, refusal);
        else publication.resolve();
      });
    } catch (error) {
      // `down` has decided about messages of a lost shard. Those of a shard that still answers are sent again.
      const left = publications.filter((publication) => this.#inFlight.delete(publication));
      if (left.length === 0) return;
      for (const publication of [...left, ...this.#takeWaiting()]) this.#wait(publication);
      events.commandFailed(error);
    }
  }

  #isDown(channel: string): boolean {
    return this.#state === 'open' && !this.#options.availability.hasChannel(channel);
  }

  /** Whether a message waits for nodes that are not subscribed again. With `local-only` none does. */
  #mustWait(channel: string): boolean {
    return this.#options.settings.onUnavailable !== 'local-only' && this.#options.peers.mustWait(channel);
  }

  #frame(publication: Publication): Buffer {
    return (publication.sent ??= this.#options.history.add(publication.channel, publication.payload)).frame;
  }
}

/** Adds a message to the batch to its shard, unless that is full. */
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

/** The other policies too let a message wait for the end of its turn, for the first connection, and for absent nodes. */
function boundsOf(policy: OnUnavailable) {
  return typeof policy === 'object' ? policy : { bufferBytes: BUFFER_BYTES, bufferMs: Number.POSITIVE_INFINITY };
}
