import { nodeChannel, type NodeInfo, type ProcessId } from '@hubline/server/backplane';
import { incarnationOf, numberIn, processIn, type Incarnation } from './keys.ts';
import { Leases, type LeaseObserver, type LeaseTimes } from './leases.ts';
import type { LinkContext } from './link-context.ts';
import type { Command } from './redis-connection.ts';
import type { Registration } from './registration.ts';
import type { Sweeper } from './sweeper.ts';

/** The state of another process, as this one knows it. */
interface Peer {
  readonly node: NodeInfo;
  readonly n: number;
  /** When its lease ends unless it is renewed, by `performance.now()`. */
  leaseUntil: number;
  /** When its last sign of life was received. Answers to earlier queries are older. */
  receivedAt: number;
  /** Whether its lease was read since the last outage or loss of data; until then its entries may be incomplete. */
  isConfirmed: boolean;
  /** Whether it is subscribed to its channels; after an outage it may not be subscribed again yet. */
  isSubscribed: boolean;
  /** Set while its lease cannot be read, and perhaps not be renewed: the remaining time of the lease stands still since then. */
  stoppedAt: number | undefined;
}

export interface PeersOptions extends Pick<LinkContext, 'self' | 'store' | 'keys' | 'settings' | 'availability' | 'unreadable' | 'events'> {
  readonly registration: Pick<Registration, 'session'>;
  readonly sweeper: Pick<Sweeper, 'schedule'>;
}

/** How long a lost process is remembered. */
const REMEMBERED_MS = 60_000;

/** Tracks the other processes and their leases, and reports joins and losses. */
export class Peers implements LeaseObserver {
  readonly leases: Leases;
  readonly #options: PeersOptions;
  readonly #peers = new Map<ProcessId, Peer>();
  readonly #lost = new Map<ProcessId, { readonly n: number; readonly at: number }>();
  /** Whether the link is down. */
  #isSuspended = false;
  /** Processes whose announcement waits until queries show them. Queries show none while the leases cannot be read. */
  #unannounced: Map<ProcessId, NodeInfo> | undefined = new Map();

  constructor(options: PeersOptions) {
    this.#options = options;
    this.leases = new Leases({ ...options, peers: this });
  }

  get nodeIds(): readonly string[] {
    return names(this.#peers.values());
  }
  /** Nodes whose lease was not read since an outage or a loss of data, and may still live. */
  get unconfirmed(): readonly string[] {
    return names([...this.#peers.values()].filter(({ isConfirmed }) => !isConfirmed));
  }
  /** Nodes that are not subscribed again after an outage. */
  get unsubscribed(): readonly string[] {
    return names([...this.#peers.values()].filter(({ isSubscribed }) => !isSubscribed));
  }
  /** Whether every process is subscribed. Evaluated for every message that is published. */
  get areAllSubscribed(): boolean {
    for (const { isSubscribed } of this.#peers.values()) if (!isSubscribed) return false;
    return true;
  }
  isSubscribed(process: ProcessId): boolean {
    return this.#peers.get(process)?.isSubscribed ?? true;
  }
  /** Whether a message on the channel waits for nodes that are not subscribed again: published now, it would be lost to them. */
  mustWait(channel: string): boolean {
    if (this.areAllSubscribed || !this.#options.availability.mayLackSubscribers(channel)) return false;
    return channel.startsWith(nodeChannel('')) ? !this.isSubscribed(channel.slice(nodeChannel('').length)) : true;
  }
  /** Whether the process was announced, with this incarnation or a later one, and not reported as lost. */
  isKnown(process: ProcessId, n = 1): boolean {
    const peer = this.#peers.get(process);
    return peer !== undefined && peer.n >= n && !this.#unannounced?.has(process);
  }
  /** Returns the incarnation that a process has, or had last. */
  incarnation(process: ProcessId): Incarnation | undefined {
    const n = this.#peers.get(process)?.n ?? this.#lost.get(process)?.n;
    return n === undefined ? undefined : incarnationOf(process, n);
  }
  get processes(): Iterable<ProcessId> {
    return this.#peers.keys();
  }
  /** Returns the processes that left or were lost within the last `ms`. */
  lostWithin(ms: number): readonly ProcessId[] {
    const since = performance.now() - ms;
    return [...this.#lost].filter(([, { at }]) => at >= since).map(([process]) => process);
  }
  /** The time until the first lease ends unless it is renewed, in milliseconds. */
  get nextEndMs(): number {
    const running = [...this.#peers.values()].filter(({ stoppedAt }) => stoppedAt === undefined);
    return Math.min(...running.map(({ leaseUntil }) => leaseUntil)) - performance.now();
  }

  /** Handles the hello of a node, which has set its lease before. */
  hello(incarnation: Incarnation, node: NodeInfo): void {
    if (this.leases.announce(incarnation, node)) this.#record(incarnation, node);
  }
  heartbeat(incarnation: Incarnation): void {
    const peer = this.#peers.get(processIn(incarnation));
    if (peer?.n !== numberIn(incarnation)) return;
    peer.leaseUntil = (peer.stoppedAt ?? performance.now()) + this.#options.settings.nodeTimeoutMs;
    peer.receivedAt = performance.now();
  }
  goodbye(incarnation: Incarnation): void {
    if (this.#peers.get(processIn(incarnation))?.n === numberIn(incarnation)) this.#lose(processIn(incarnation), 'goodbye');
  }

  /** Begins or extends an outage. While the leases cannot be read, each process keeps its last known state. */
  suspend(): void {
    const { keys, availability } = this.#options;
    this.#isSuspended = true;
    const canRead = availability.has(keys.registry);
    for (const peer of this.#peers.values()) {
      peer.isSubscribed = false;
      if (!canRead) stop(peer);
    }
    if (!canRead) this.#unannounced ??= new Map();
  }

  /** Ends the wait for processes that are not subscribed again. Those whose lease was not read since count as lost. */
  giveUp(): void {
    for (const [process, peer] of this.#peers) {
      peer.isSubscribed = true;
      if (!peer.isConfirmed) this.#lose(process, 'lease');
    }
  }

  /** Reads the leases and subscriptions of the other processes after an outage. */
  async resume(): Promise<void> {
    for (const peer of this.#peers.values()) {
      if (peer.stoppedAt !== undefined) peer.leaseUntil += performance.now() - peer.stoppedAt;
      peer.stoppedAt = undefined;
    }
    this.#isSuspended = false;
    await this.refresh();
  }

  /** Announces the processes that wait for it: queries show them from now on. */
  announce(): void {
    const unannounced = this.#unannounced ?? new Map<ProcessId, NodeInfo>();
    this.#unannounced = undefined;
    for (const [process, node] of unannounced) this.#announce(process, node);
  }

  /** Reads all leases, and reports the processes that have joined or are lost. @throws HublineError, LeaseEndedError */
  async refresh(): Promise<void> {
    const { store, keys, settings } = this.#options;
    if (!this.#canRead) return;
    const queriedAt = performance.now();
    const { liveNodes } = await this.leases.readLiveNodes([]);
    const incarnations = [...liveNodes.keys()].filter((incarnation) => processIn(incarnation) !== this.#options.self.process);
    const peerOf = (incarnation: Incarnation) => this.#peers.get(processIn(incarnation));
    // A heartbeat renews a lease for a known time. Without a recent one the remaining time is read from Redis.
    const silent = incarnations.filter((each) => (peerOf(each)?.leaseUntil ?? 0) < queriedAt + settings.nodeTimeoutMs / 2);
    const left = await store.run(silent.map((each): Command => ['pttl', keys.lease(each)]));
    const leaseMs = new Map(silent.map((each, i) => [each, Number(left[i])]));
    const subscribed = await this.#subscribed(incarnations.filter((each) => peerOf(each)?.isSubscribed === false));
    const living = new Set<ProcessId>();
    for (const incarnation of incarnations) {
      const node = liveNodes.get(incarnation)!;
      const process = processIn(incarnation);
      const known = this.#peers.get(process);
      const until = leaseMs.has(incarnation) ? { leaseUntil: queriedAt + leaseMs.get(incarnation)! } : {};
      living.add(process);
      // The process lives and is not subscribed: it has not detected the outage yet, and will register another incarnation.
      if (known && !known.isSubscribed && known.n === numberIn(incarnation) && !subscribed.has(incarnation)) Object.assign(known, until);
      else this.#record(incarnation, node, { queriedAt, ...until });
    }
    const now = performance.now();
    for (const [process, peer] of this.#peers) {
      if (living.has(process) || peer.receivedAt >= queriedAt || peer.stoppedAt !== undefined) continue;
      // After an outage the lease of a live node may be missing. The node counts as alive for the remaining time of that lease.
      if (peer.isConfirmed || peer.leaseUntil <= now) this.#lose(process, 'lease');
    }
    this.#forget();
  }

  /** Handles a loss of data in Redis: leases of live processes may be missing, so these count as alive for the remaining time. */
  doubtAll(): void {
    for (const peer of this.#peers.values()) peer.isConfirmed = false;
  }

  alive(incarnation: Incarnation, node: NodeInfo, read: Required<LeaseTimes>): void {
    const peer = this.#peers.get(processIn(incarnation));
    if (!peer || peer.n < numberIn(incarnation)) this.#record(incarnation, node, read);
  }
  undecodable(incarnation: Incarnation): void {
    const peer = this.#peers.get(processIn(incarnation));
    if (peer?.n === numberIn(incarnation)) peer.isConfirmed = false;
  }

  /** Records that an incarnation lives, or lived when Redis was queried. */
  #record(incarnation: Incarnation, node: NodeInfo, { leaseUntil, queriedAt = performance.now() }: LeaseTimes = {}): void {
    const process = processIn(incarnation);
    const n = numberIn(incarnation);
    if (process === this.#options.self.process) return;
    const known = this.#peers.get(process);
    const lost = this.#lost.get(process);
    if ((known && known.n > n && !hasEnded(known)) || (lost && lost.n >= n && lost.at >= queriedAt)) return; // a newer state is known
    const isRead = this.#canRead;
    this.#lost.delete(process);
    this.#peers.set(process, {
      node,
      n,
      leaseUntil: leaseUntil ?? (known?.n === n ? known.leaseUntil : performance.now() + this.#options.settings.nodeTimeoutMs),
      receivedAt: Math.max(queriedAt, known?.receivedAt ?? 0),
      isConfirmed: isRead,
      isSubscribed: !this.#isSuspended,
      stoppedAt: isRead ? undefined : performance.now(),
    });
    if (this.#unannounced) {
      if (known?.n !== n) this.#unannounced.set(process, node);
    } else if (known?.n === n) {
      this.#options.events.announced(process);
    } else {
      this.#announce(process, node);
    }
  }

  #announce(process: ProcessId, node: NodeInfo): void {
    this.#options.events.joined(node);
    this.#options.events.announced(process);
  }

  #lose(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    const peer = this.#peers.get(process);
    if (!peer) return;
    this.#peers.delete(process);
    this.#lost.set(process, { n: peer.n, at: performance.now() });
    this.#unannounced?.delete(process);
    this.#options.events.lost(peer.node, reason);
  }

  get #canRead(): boolean {
    return !this.#isSuspended || this.#options.availability.has(this.#options.keys.registry);
  }

  /** Returns the incarnations whose processes are subscribed on every shard; none during an outage. */
  async #subscribed(incarnations: readonly Incarnation[]): Promise<ReadonlySet<Incarnation>> {
    if (this.#isSuspended || incarnations.length === 0) return new Set();
    const { store, keys } = this.#options;
    const tags = store.tags();
    const listeners = await store.listeners(incarnations.flatMap((each) => tags.map((tag) => keys.marker(processIn(each), tag))));
    return new Set(incarnations.filter((_each, i) => tags.every((_tag, j) => Number(listeners[i * tags.length + j]) > 0)));
  }

  #forget(): void {
    const until = performance.now() - REMEMBERED_MS;
    for (const [process, { at }] of this.#lost) {
      if (at >= until) continue;
      this.#lost.delete(process);
      this.#options.events.forgotten(process);
    }
  }
}

/** Whether its lease has ended by the clock of this process. Then a lower incarnation that has a lease replaces it. */
const hasEnded = ({ leaseUntil, stoppedAt }: Peer): boolean => stoppedAt === undefined && leaseUntil < performance.now();

function stop(peer: Peer): void {
  peer.isConfirmed = false;
  peer.stoppedAt ??= performance.now();
}

const names = (peers: Iterable<Peer>): readonly string[] => [...new Set([...peers].map(({ node }) => node.nodeId))];
