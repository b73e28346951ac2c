import { nodeChannel, type Bus, type BusSubscription, type ProcessId, type PublishOptions } from '@hubline/server/backplane';
import { ChannelSubscriptions } from './channel-subscriptions.ts';
import { Channels, type Deliver } from './channels.ts';
import { decodeFrame, isMessage } from './frame.ts';
import { History } from './history.ts';
import { processIn } from './keys.ts';
import type { LinkContext } from './link-context.ts';
import { NoticePublisher } from './notice-publisher.ts';
import { decodeNotice, NOTICES, type Notice } from './notice.ts';
import type { Peers } from './peers.ts';
import { Publisher } from './publisher.ts';
import { type Receiver } from './receiver.ts';
import type { Registration } from './registration.ts';
import { Repair } from './repair.ts';

export interface RedisBusOptions extends Omit<LinkContext, 'local'> {
  readonly registration: Pick<Registration, 'session'>;
  readonly peers: Pick<
    Peers,
    'isKnown' | 'isSubscribed' | 'mustWait' | 'processes' | 'lostWithin' | 'incarnation' | 'hello' | 'heartbeat' | 'goodbye'
  >;
}

/** Publishes, subscribes and receives the messages of a link, and exchanges notices with the other nodes. */
export class RedisBus implements Bus {
  readonly publisher: Publisher;
  readonly subscriptions: ChannelSubscriptions;
  readonly #options: RedisBusOptions;
  readonly #channels: Channels;
  readonly #history: History;
  readonly #notices: NoticePublisher;
  readonly #receiver: Receiver;
  readonly #repair: Repair;
  /** The time until which this node has certainly received all messages on its channels, by `performance.now()`. */
  #completeUntil = performance.now();

  constructor(options: RedisBusOptions) {
    this.#options = options;
    const channels = (this.#channels = new Channels([NOTICES, nodeChannel(options.self.process)]));
    const history = (this.#history = new History(options));
    const notices = (this.#notices = new NoticePublisher(options));
    const publisher = (this.publisher = new Publisher({ ...options, history }));
    this.subscriptions = new ChannelSubscriptions({ ...options, channels });
    this.#repair = new Repair({ ...options, channels, history, notices, publisher });
    this.#receiver = this.#repair.receiver;
  }

  publish(channel: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    return this.publisher.publish(channel, payload, options);
  }

  subscribe(channel: string, deliver: Deliver): BusSubscription {
    const remove = this.#channels.add(channel, deliver);
    return {
      ready: this.#options.status.settled.then(() => this.subscriptions.changed(channel)),
      close: () => {
        if (!remove()) return;
        this.#receiver.forgetChannel(channel); // also during an outage: a later listener misses no earlier message
        void this.subscriptions.changed(channel);
      },
    };
  }

  /** Handles a message from Redis on a channel, given by its name. */
  receive(channel: string, bytes: Buffer): void {
    const { store, availability, peers, unreadable } = this.#options;
    // A single Redis sends messages of all channels in order, so this one shows that no earlier one is on its way.
    if (store.isSingleRedis && availability.areAllAvailable) this.#completeUntil = performance.now();
    try {
      if (channel === NOTICES) return this.#receiveNotice(decodeNotice(bytes));
      const frame = decodeFrame(bytes);
      if (isMessage(frame.kind)) this.#receiver.receive(channel, frame);
      else if (peers.isKnown(processIn(frame.origin))) this.#repair.receive(channel, frame);
    } catch (error) {
      unreadable.message(channel === NOTICES ? 'notice' : 'frame', error);
    }
  }

  #receiveNotice(notice: Notice | undefined): void {
    if (!notice) return; // a kind of a later version
    const { self, peers, observer, events } = this.#options;
    const process = processIn(notice.incarnation);
    if (process === self.process) return;
    if (notice.is === 'repaired') return observer.stale(); // watches may have read the entries while they were missing
    if (notice.is === 'hello') {
      const isRestart = peers.isKnown(process);
      peers.hello(notice.incarnation, notice.node);
      // The loss of data that ended the lease of that process may have ended this process's lease too.
      if (isRestart) events.leasesMayHaveChanged();
    } else if (notice.is === 'beat') peers.heartbeat(notice.incarnation);
    // The frames of an unknown process are still buffered: compared with its last sequences, they would look missing.
    if (peers.isKnown(process)) this.#repair.notice(notice);
    if (notice.is === 'bye') peers.goodbye(notice.incarnation);
  }

  /** Handles an outage of some or all channels. */
  down(): void {
    this.#repair.down(this.#completeUntil);
    this.publisher.down();
  }
  /** Resumes after an outage: all channels are subscribed again, and this node is registered. */
  up(): void {
    this.sendHello();
    this.publisher.up();
    this.#repair.up();
    this.#completeUntil = performance.now();
  }
  /** Recovers messages that may have been missed since a time, although the link was up. */
  recoverSince(since = this.#completeUntil): void {
    this.#repair.missed(Math.min(since, this.#completeUntil));
  }

  /** Runs with each heartbeat, also during an outage. Returns whether messages have waited too long for nodes to subscribe again. */
  tick(): boolean {
    this.#history.forgetIdle();
    this.#receiver.forgetUnknownSenders(this.#options.settings.nodeTimeoutMs);
    return this.publisher.prune();
  }
  /** Sends the heartbeat to the other nodes. Redis has answered PINGs on every connection since `startedAt`. */
  sendHeartbeat(startedAt: number): void {
    const { availability } = this.#options;
    if (availability.areAllAvailable) this.#completeUntil = startedAt;
    if (availability.hasChannel(NOTICES)) this.#notices.send({ is: 'beat', ...this.#repair.claims() });
  }

  /** Announces a session that has begun. */
  sendHello(): void {
    this.#notices.send({ is: 'hello', node: this.#options.self });
  }
  /** Tells the other nodes that entries of this node that were missing in Redis are written again. */
  sendRepaired(): void {
    this.#notices.send({ is: 'repaired' });
  }
  /** Sends the goodbye, with the last sequences of every channel. */
  async sendGoodbye(): Promise<void> {
    await this.#notices.publish({ is: 'bye', ...this.#repair.claims() });
  }

  /** Handles the loss of a process before it is reported, see {@link Repair.lost}. */
  processLost(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    this.#repair.lost(process, reason);
  }
  /** Delivers buffered messages of a process that has become known, and sends messages that waited for it. */
  processAnnounced(process: ProcessId): void {
    this.#receiver.announced(process);
    this.publisher.schedule();
  }
  /** Discards the state of a process whose loss was reported long ago. */
  processForgotten(process: ProcessId): void {
    this.#receiver.forgetProcess(process);
  }

  close(): void {
    this.#channels.close();
    this.#repair.close();
  }
}
