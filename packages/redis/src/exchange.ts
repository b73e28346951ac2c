import {
  nodeChannel,
  type Bus,
  type BusSubscription,
  type LinkObserver,
  type ProcessId,
  type PublishOptions,
} from '@hubline/server/backplane';
import { Channels, type Deliver } from './channels.ts';
import type { Context } from './context.ts';
import { decodeFrame, isMessage } from './frame.ts';
import { History } from './history.ts';
import { processIn, type Incarnation } from './keys.ts';
import { decodeNotice, encodeNotice, NOTICES, type Notice } from './notice.ts';
import { paced } from './paced.ts';
import type { Peers } from './peers.ts';
import { Publisher } from './publisher.ts';
import { Receiver } from './receiver.ts';
import { Repair } from './repair.ts';
import { Subscriptions } from './subscriptions.ts';

export interface ExchangeOptions extends Omit<Context, 'local'> {
  readonly peers: () => Peers;
  /** Whether this node has entered the cluster, or is about to. */
  readonly isEntering: () => boolean;
  /** Called for a frame of an unknown process: reads the leases. */
  readonly refresh: () => void;
  /** Called when Redis refuses a command or loses an answer. */
  readonly failed: (error: unknown) => void;
  readonly gap: LinkObserver['gap'];
  /** Called when Redis had lost what another node has written, and has it again. */
  readonly stale: () => void;
}

/** The delay of asks on several shards: there is no order among shards, so frames may arrive after the claims about them. */
const CLAIM_DELAY_MS = 100;
/** Frames of unknown processes make this node read the leases at most this often. */
const STRANGERS_MS = 250;

/** The messages of a link: publishes, subscribes, receives and repairs, and exchanges the notices between nodes. */
export class Exchange implements Bus {
  readonly publisher: Publisher;
  readonly subscriptions: Subscriptions;
  readonly #options: ExchangeOptions;
  readonly #channels: Channels;
  readonly #history: History;
  readonly #receiver: Receiver;
  readonly #repair: Repair;
  /** The last time at which this node certainly received everything on its channels. */
  #heardAt = performance.now();

  constructor(options: ExchangeOptions) {
    const { self, settings, store, keys, peers, session, gap, report } = options;
    const { repairMs, repairBytes } = settings;
    const channelOf = (name: string): string => keys.channel(name);
    const reaches = (channel: string): boolean => this.#reaches(channel);
    const origin = (): Incarnation => session().incarnation;
    const unreadable = (error: unknown): void => options.unreadable.message('frame', error);
    this.#options = options;
    this.#history = new History({ origin, repairMs, repairBytes });
    this.#channels = new Channels([NOTICES, nodeChannel(self.process)]);
    this.#receiver = new Receiver({
      self: self.process,
      channels: this.#channels,
      isKnown: (process, n) => peers().isKnown(process, n),
      stranger: paced(STRANGERS_MS, options.refresh),
      hole: (process) => this.#repair.hole(process),
      unsure: () => this.#repair.unsure(),
      gap,
      report,
      unreadable,
    });
    this.#repair = new Repair({
      self: self.process,
      history: this.#history,
      receiver: this.#receiver,
      repairMs: repairBytes > 0 ? repairMs : 0,
      rememberedMs: this.#rememberedMs,
      claimDelayMs: store.isOne ? 0 : CLAIM_DELAY_MS,
      origin,
      send: async (channel, frame) => void (await store.publish([[channelOf(channel), frame]])),
      notify: (notice) => this.say(notice),
      reaches,
      peers,
      unsent: () => this.publisher.unsent(),
      gap,
      unreadable,
    });
    this.publisher = new Publisher({
      store,
      channelOf,
      history: this.#history,
      onUnavailable: settings.onUnavailable,
      reaches,
      hearsAnswers: () => reaches(nodeChannel(self.process)),
      isGated: (channel) => this.#isGated(channel),
      failed: options.failed,
    });
    this.subscriptions = new Subscriptions({ ...options, channels: this.#channels, reaches });
  }

  publish(channel: string, payload: Uint8Array, options: PublishOptions = {}): Promise<void> {
    return this.publisher.publish(channel, payload, options);
  }

  subscribe(channel: string, deliver: Deliver): BusSubscription {
    const remove = this.#channels.add(channel, deliver);
    return {
      ready: this.#options.settled().then(() => this.subscriptions.changed(channel)),
      close: () => {
        if (!remove()) return;
        this.#receiver.forgetChannel(channel); // also during an outage: for a later listener no earlier message is missing
        void this.subscriptions.changed(channel);
      },
    };
  }

  /** Some or all channels became unreachable. */
  down(): void {
    this.#repair.down(this.#heardAt);
    this.publisher.down();
  }
  /** Everything is subscribed again, and this node is registered. */
  up(): void {
    this.hello();
    this.publisher.up();
    this.#repair.up();
    this.#heardAt = performance.now();
  }
  /** Subscriptions were interrupted since then, although the link was up. */
  missed(since = this.#heardAt): void {
    this.#repair.missed(Math.min(since, this.#heardAt));
  }

  /** Runs with each heartbeat, also during an outage. Returns whether messages have waited too long for nodes to come back. */
  prune(): boolean {
    this.#history.forgetIdle(this.#rememberedMs);
    this.#receiver.forgetStrangers(this.#options.settings.nodeTimeoutMs);
    return this.publisher.prune();
  }
  /** Runs after each heartbeat that Redis has answered on every connection; `startedAt` is when that began. */
  beat(startedAt: number): void {
    if (this.#options.reach.isWhole) this.#heardAt = startedAt;
    if (this.#reaches(NOTICES)) this.say({ is: 'beat', incarnation: this.#options.session().incarnation, ...this.#repair.claims() });
  }

  /** Handles a message from Redis on a channel, given by its name. */
  hear(channel: string, bytes: Buffer): void {
    const { store, reach, peers } = this.#options;
    if (store.isOne && reach.isWhole) this.#heardAt = performance.now();
    try {
      if (channel === NOTICES) return this.#notice(decodeNotice(bytes));
      const frame = decodeFrame(bytes);
      if (isMessage(frame.kind)) this.#receiver.receive(channel, frame);
      else if (peers().isKnown(processIn(frame.origin), 1)) this.#repair.receive(channel, frame);
    } catch (error) {
      this.#options.unreadable.message(channel === NOTICES ? 'notice' : 'frame', error);
    }
  }

  /** Announces a session that has begun. */
  hello(): void {
    this.say({ is: 'hello', incarnation: this.#options.session().incarnation, node: this.#options.self });
  }
  /** Tells the other nodes that Redis has again what it had lost of this one. */
  repaired(): void {
    this.say({ is: 'repaired', incarnation: this.#options.session().incarnation });
  }
  say(notice: Notice): void {
    this.#publish(notice).catch((error: unknown) => {
      if (this.#options.isUp()) this.#options.report('publish', error);
    });
  }
  /** Sends the goodbye, with the last sequences of every channel. */
  async goodbye(): Promise<void> {
    await this.#publish({ is: 'bye', incarnation: this.#options.session().incarnation, ...this.#repair.claims() });
  }

  /** Called before the loss of a process is reported, see {@link Repair.lost}. */
  lost(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    this.#repair.lost(process, reason);
  }
  /** A process has become known. */
  announced(process: ProcessId): void {
    this.#receiver.announced(process);
    this.publisher.schedule();
  }
  forgotten(process: ProcessId): void {
    this.#receiver.forgetProcess(process);
  }

  close(): void {
    this.#channels.close();
    this.#repair.close();
  }

  /** How long a channel without traffic keeps its sequence. */
  get #rememberedMs(): number {
    const { sweepDelayMs, repairMs } = this.#options.settings;
    return 2 * Math.max(sweepDelayMs, repairMs);
  }

  #reaches(channel: string): boolean {
    const { reach, keys } = this.#options;
    return reach.isWhole || reach.has(keys.channel(channel));
  }

  /** Whether messages on the channel wait for nodes from before an outage: what is published before they subscribe again is lost to them. */
  #isGated(channel: string): boolean {
    const { reach, keys } = this.#options;
    const peers = this.#options.peers();
    if (peers.isComplete || !reach.isShaken(keys.channel(channel))) return false;
    return channel.startsWith(nodeChannel('')) ? peers.isDeaf(channel.slice(nodeChannel('').length)) : true;
  }

  async #publish(notice: Notice): Promise<void> {
    const { store, keys } = this.#options;
    await store.publish([[keys.channel(NOTICES), encodeNotice(notice)]]);
  }

  #notice(notice: Notice | undefined): void {
    if (!notice) return; // a kind that a later version has added
    const peers = this.#options.peers();
    const process = processIn(notice.incarnation);
    if (process === this.#options.self.process) return;
    if (notice.is === 'repaired') return this.#options.stale();
    if (notice.is === 'hello') {
      const isReborn = peers.isKnown(process, 1);
      peers.hello(notice.incarnation, notice.node);
      // The data loss that ended another process's lease may have ended this process's lease too.
      if (isReborn) this.#options.refresh();
    } else if (notice.is === 'beat') peers.beat(notice.incarnation);
    // Frames of other processes are buffered until these are known, and so not received yet.
    if (peers.isKnown(process, 1)) this.#repair.notice(notice);
    if (notice.is === 'bye') peers.bye(notice.incarnation);
  }
}
