import type { LinkObserver, NodeInfo, ProcessId } from '@hubline/server/backplane';
import type { Context } from './context.ts';
import { incarnationOf, numberIn, processIn, type Incarnation } from './keys.ts';
import { Leases, type Sighting } from './leases.ts';
import type { Command } from './redis-connection.ts';
import type { Session } from './session.ts';

/** Another process, as far as this one knows it. */
interface Peer {
  readonly node: NodeInfo;
  readonly n: number;
  /** When its lease ends, by the clock of this link, unless it is renewed. */
  leaseUntil: number;
  /** When the process was last heard of: answers to earlier queries are older. */
  heardAt: number;
  /** Known from before an outage, and not seen since: its entries may be incomplete. */
  isAbsent: boolean;
  /** Known from before an outage, and perhaps not subscribed again yet to the lost channels. */
  isDeaf: boolean;
  /** Since when its lease cannot be read, and perhaps not be renewed: its remaining time is frozen. */
  stoppedAt: number | undefined;
}

export interface PeersOptions extends Pick<Context, 'self' | 'session' | 'store' | 'keys' | 'settings' | 'reach' | 'unreadable'> {
  readonly observer: Pick<LinkObserver, 'joined' | 'lost'>;
  /** Called when a session of this process has no lease any more. */
  readonly leaseless: (session: Session) => void;
  /** Called when a process is announced. */
  readonly announced: (process: ProcessId) => void;
  /** Called when an incarnation has ended and its keys need a sweep. */
  readonly dead: (incarnation: Incarnation) => void;
  /** Called when a lost process is not remembered any more. */
  readonly forgotten: (process: ProcessId) => void;
}

/** How long a lost process is remembered. */
const REMEMBERED_MS = 60_000;

/** Tracks the other processes and their leases, and reports joins and losses. */
export class Peers {
  readonly leases: Leases;
  readonly #options: PeersOptions;
  readonly #peers = new Map<ProcessId, Peer>();
  readonly #lost = new Map<ProcessId, { readonly n: number; readonly at: number }>();
  /** Whether there is an outage. */
  #isSuspended = false;
  /** Processes whose announcement waits until queries show them; none does while the leases cannot be read. */
  #held: Map<ProcessId, NodeInfo> | undefined = new Map();

  constructor(options: PeersOptions) {
    this.#options = options;
    this.leases = new Leases({
      ...options,
      doubted: (session) => {
        this.doubt();
        options.leaseless(session);
      },
      seen: (incarnation, node, sighting) => {
        const peer = this.#peers.get(processIn(incarnation));
        if (!peer || peer.n < numberIn(incarnation)) this.#see(incarnation, node, sighting);
      },
      undecided: (incarnation) => {
        const peer = this.#peers.get(processIn(incarnation));
        if (peer?.n === numberIn(incarnation)) peer.isAbsent = true;
      },
    });
  }

  get nodeIds(): readonly string[] {
    return names(this.#peers.values());
  }
  /** Nodes from before an outage that are not back, and whose lease may still live. */
  get absent(): readonly string[] {
    return names([...this.#peers.values()].filter(({ isAbsent }) => isAbsent));
  }
  /** Whether every process is subscribed again. Read for every message that is published. */
  get isComplete(): boolean {
    for (const { isDeaf } of this.#peers.values()) if (isDeaf) return false;
    return true;
  }
  get deaf(): readonly string[] {
    return names([...this.#peers.values()].filter(({ isDeaf }) => isDeaf));
  }
  isDeaf(process: ProcessId): boolean {
    return this.#peers.get(process)?.isDeaf ?? false;
  }
  /** Whether the process was announced and not reported as lost; during an outage none is reported. */
  isKnown(process: ProcessId, n: number): boolean {
    const peer = this.#peers.get(process);
    return peer !== undefined && peer.n >= n && !this.#held?.has(process);
  }
  /** The incarnation that a process has, or had last. */
  incarnation(process: ProcessId): Incarnation | undefined {
    const n = this.#peers.get(process)?.n ?? this.#lost.get(process)?.n;
    return n === undefined ? undefined : incarnationOf(process, n);
  }
  get processes(): Iterable<ProcessId> {
    return this.#peers.keys();
  }
  /** The processes that were lost within the last `ms`. */
  left(ms: number): readonly ProcessId[] {
    const since = performance.now() - ms;
    return [...this.#lost].filter(([, { at }]) => at >= since).map(([process]) => process);
  }
  /** Milliseconds until the first lease ends unless it is renewed. */
  get nextEndMs(): number {
    const running = [...this.#peers.values()].filter(({ stoppedAt }) => stoppedAt === undefined);
    return Math.min(...running.map(({ leaseUntil }) => leaseUntil)) - performance.now();
  }

  /** Handles the hello of a node, whose lease is already set. */
  hello(incarnation: Incarnation, node: NodeInfo): void {
    if (this.leases.announce(incarnation, node)) this.#see(incarnation, node);
  }
  beat(incarnation: Incarnation): void {
    const peer = this.#peers.get(processIn(incarnation));
    if (peer?.n !== numberIn(incarnation)) return;
    peer.leaseUntil = (peer.stoppedAt ?? performance.now()) + this.#options.settings.nodeTimeoutMs;
    peer.heardAt = performance.now();
  }
  bye(incarnation: Incarnation): void {
    if (this.#peers.get(processIn(incarnation))?.n === numberIn(incarnation)) this.#lose(processIn(incarnation), 'goodbye');
  }

  /** Begins or extends an outage. Where the leases cannot be read, each keeps its last known state. */
  suspend(): void {
    const { keys, reach } = this.#options;
    this.#isSuspended = true;
    const canRead = reach.has(keys.registry);
    for (const peer of this.#peers.values()) {
      peer.isDeaf = true;
      if (!canRead) stop(peer);
    }
    if (!canRead) this.#held ??= new Map();
  }

  /** Ends the wait for processes that are not subscribed again; they may still come back. */
  giveUp(): void {
    for (const [process, peer] of this.#peers) {
      peer.isDeaf = false;
      if (peer.isAbsent) this.#lose(process, 'lease');
    }
  }

  /** Reads the leases and the subscriptions of the others after an outage. */
  async resume(): Promise<void> {
    for (const peer of this.#peers.values()) {
      if (peer.stoppedAt !== undefined) peer.leaseUntil += performance.now() - peer.stoppedAt;
      peer.stoppedAt = undefined;
    }
    this.#isSuspended = false;
    await this.refresh();
  }

  /** Announces the held processes: queries show them from now on. */
  announce(): void {
    const held = this.#held ?? new Map<ProcessId, NodeInfo>();
    this.#held = undefined;
    for (const [process, node] of held) this.#announce(process, node);
  }

  /** Reads all leases, and reports the processes that have joined or are lost. @throws HublineError, LeaseOverError */
  async refresh(): Promise<void> {
    const { store, keys, settings } = this.#options;
    if (!this.#canRead) return;
    const askedAt = performance.now();
    const { value: census } = await this.leases.census([]);
    const incarnations = [...census.keys()].filter((incarnation) => processIn(incarnation) !== this.#options.self.process);
    const peerOf = (incarnation: Incarnation) => this.#peers.get(processIn(incarnation));
    // A heartbeat tells how long a lease lasts; without one the lease is read from Redis.
    const silent = incarnations.filter((each) => (peerOf(each)?.leaseUntil ?? 0) < askedAt + settings.nodeTimeoutMs / 2);
    const left = await store.run(silent.map((each): Command => ['pttl', keys.lease(each)]));
    const leaseMs = new Map(silent.map((each, i) => [each, Number(left[i])]));
    const hearing = await this.#hearing(incarnations.filter((each) => peerOf(each)?.isDeaf));
    const living = new Set<ProcessId>();
    for (const incarnation of incarnations) {
      const node = census.get(incarnation)!;
      const process = processIn(incarnation);
      const known = this.#peers.get(process);
      const until = leaseMs.has(incarnation) ? { leaseUntil: askedAt + leaseMs.get(incarnation)! } : {};
      living.add(process);
      // Its lease lives and it is not subscribed: it has not noticed the outage yet, and will register as another incarnation.
      if (known?.isDeaf && known.n === numberIn(incarnation) && !hearing.has(incarnation)) Object.assign(known, until);
      else this.#see(incarnation, node, { askedAt, ...until });
    }
    const now = performance.now();
    for (const [process, peer] of this.#peers) {
      if (living.has(process) || peer.heardAt >= askedAt || peer.stoppedAt !== undefined) continue;
      // After an outage a lease may be missing although its node lives: the node gets the time that its lease had left.
      if (!peer.isAbsent || peer.leaseUntil <= now) this.#lose(process, 'lease');
    }
    this.#forget();
  }

  /** Handles a loss of data in Redis: other processes may have lost their leases too, and get the time that these had left. */
  doubt(): void {
    for (const peer of this.#peers.values()) peer.isAbsent = true;
  }

  /** Records that an incarnation lives, or did when Redis was queried. */
  #see(incarnation: Incarnation, node: NodeInfo, { leaseUntil, askedAt = performance.now() }: Sighting = {}): void {
    const process = processIn(incarnation);
    const n = numberIn(incarnation);
    if (process === this.#options.self.process) return;
    const known = this.#peers.get(process);
    const lost = this.#lost.get(process);
    if ((known && known.n > n && !isOver(known)) || (lost && lost.n >= n && lost.at >= askedAt)) return; // something newer is known
    const isRead = this.#canRead;
    this.#lost.delete(process);
    this.#peers.set(process, {
      node,
      n,
      leaseUntil: leaseUntil ?? (known?.n === n ? known.leaseUntil : performance.now() + this.#options.settings.nodeTimeoutMs),
      heardAt: Math.max(askedAt, known?.heardAt ?? 0),
      isAbsent: !isRead,
      isDeaf: this.#isSuspended,
      stoppedAt: isRead ? undefined : performance.now(),
    });
    if (this.#held) {
      if (known?.n !== n) this.#held.set(process, node);
    } else if (known?.n === n) {
      this.#options.announced(process);
    } else {
      this.#announce(process, node);
    }
  }

  #announce(process: ProcessId, node: NodeInfo): void {
    this.#options.observer.joined(node);
    this.#options.announced(process);
  }

  #lose(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    const peer = this.#peers.get(process);
    if (!peer) return;
    this.#peers.delete(process);
    this.#lost.set(process, { n: peer.n, at: performance.now() });
    this.#held?.delete(process);
    this.#options.observer.lost(peer.node, reason);
  }

  get #canRead(): boolean {
    return !this.#isSuspended || this.#options.reach.has(this.#options.keys.registry);
  }

  /** The incarnations whose processes are subscribed on every shard; during an outage none is known to be. */
  async #hearing(incarnations: readonly Incarnation[]): Promise<ReadonlySet<Incarnation>> {
    if (this.#isSuspended || incarnations.length === 0) return new Set();
    const { store, keys } = this.#options;
    const tags = store.tags();
    const listeners = await store.listeners(incarnations.flatMap((each) => tags.map((tag) => keys.mark(processIn(each), tag))));
    return new Set(incarnations.filter((_each, i) => tags.every((_tag, j) => Number(listeners[i * tags.length + j]) > 0)));
  }

  #forget(): void {
    const until = performance.now() - REMEMBERED_MS;
    for (const [process, { at }] of this.#lost) {
      if (at >= until) continue;
      this.#lost.delete(process);
      this.#options.forgotten(process);
    }
  }
}

/** Whether the time of its lease is over. An incarnation that was announced and has no lease gives way to the one that has. */
const isOver = ({ leaseUntil, stoppedAt }: Peer): boolean => stoppedAt === undefined && leaseUntil < performance.now();

function stop(peer: Peer): void {
  peer.isAbsent = true;
  peer.stoppedAt ??= performance.now();
}

const names = (peers: Iterable<Peer>): readonly string[] => [...new Set([...peers].map(({ node }) => node.nodeId))];
