import type { LinkObserver, NodeInfo, ProcessId } from '@hubline/server/backplane';
import { incarnationOf, numberIn, processIn, type Incarnation, type Keys } from './keys.ts';
import type { Command } from './line.ts';
import type { Store } from './store.ts';

/** Another process, as this one was told. */
interface Peer {
  readonly node: NodeInfo;
  readonly n: number;
  /** When its lease ends, by the clock of this link, unless it is renewed. */
  leaseUntil: number;
  /** When it was last heard of: what was asked before that knows less. */
  heardAt: number;
  /** Known from before an outage, and not seen since: what it has written may be incomplete. */
  isAbsent: boolean;
  /** Known from before an outage, and it may not hear yet what is said on channels that were lost. */
  isDeaf: boolean;
  /** Its lease cannot be read, and perhaps not be renewed: since then its time stands still. */
  stoppedAt: number | undefined;
}

/** Who is in the cluster at one moment, by the leases: each process by its latest incarnation. */
export type Census = ReadonlyMap<Incarnation, NodeInfo>;

export interface PeersOptions {
  readonly self: ProcessId;
  readonly store: Store;
  readonly keys: Keys;
  readonly nodeTimeoutMs: number;
  /** Whether a key can be used. */
  readonly reaches: (key: string) => boolean;
  readonly observer: Pick<LinkObserver, 'joined' | 'lost'>;
  /** Somebody was announced. */
  readonly announced: (process: ProcessId) => void;
  /** An incarnation whose lease is over has left something behind. */
  readonly dead: (incarnation: Incarnation) => void;
  /** Nothing more is to be expected of this process. */
  readonly forgotten: (process: ProcessId) => void;
}

/** How long a lost process can still be named. */
const REMEMBERED_MS = 60_000;

/** The other processes: their leases, and when they come and go. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<ProcessId, Peer>();
  readonly #lost = new Map<ProcessId, { readonly n: number; readonly at: number }>();
  /** What each incarnation says of itself; it never says anything else. */
  readonly #nodes = new Map<Incarnation, NodeInfo>();
  /** Over for ever, and not swept yet. */
  readonly #dead = new Set<Incarnation>();
  /** Between the beginning of an outage and its end. */
  #isSuspended = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  get nodeIds(): readonly string[] {
    return names(this.#peers.values());
  }
  /** Those who were here before an outage and are not back, while their lease may live. */
  get absent(): readonly string[] {
    return names([...this.#peers.values()].filter(({ isAbsent }) => isAbsent));
  }
  /** Everybody hears. Asked for every message that is published. */
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
  /** Whether it was announced, and not said to be lost: during an outage nobody is. */
  isKnown(process: ProcessId, n: number): boolean {
    const peer = this.#peers.get(process);
    return peer !== undefined && peer.n >= n;
  }
  /** The incarnation that a process has, or had last. */
  incarnation(process: ProcessId): Incarnation | undefined {
    const n = this.#peers.get(process)?.n ?? this.#lost.get(process)?.n;
    return n === undefined ? undefined : incarnationOf(process, n);
  }
  /** In how many milliseconds the first lease ends that nobody renews. */
  get nextEndMs(): number {
    const running = [...this.#peers.values()].filter(({ stoppedAt }) => stoppedAt === undefined);
    return Math.min(...running.map(({ leaseUntil }) => leaseUntil)) - performance.now();
  }

  /** Somebody says that he is there. His lease is set already. */
  hello(incarnation: Incarnation, node: NodeInfo): void {
    if (this.#dead.has(incarnation)) return; // it is late: whoever was frozen hears what was said meanwhile
    this.#nodes.set(incarnation, node);
    this.#see(incarnation, node);
  }
  beat(incarnation: Incarnation): void {
    const peer = this.#peers.get(processIn(incarnation));
    if (peer?.n !== numberIn(incarnation)) return;
    peer.leaseUntil = (peer.stoppedAt ?? performance.now()) + this.#options.nodeTimeoutMs;
    peer.heardAt = performance.now();
  }
  bye(incarnation: Incarnation): void {
    if (this.#peers.get(processIn(incarnation))?.n === numberIn(incarnation)) this.#lose(processIn(incarnation), 'goodbye');
  }

  /** Something cannot be reached, or was lost again on its way back: whose lease that is, is as he was last seen. */
  suspend(): void {
    const { keys, reaches } = this.#options;
    this.#isSuspended = true;
    for (const [process, peer] of this.#peers) {
      peer.isDeaf = true;
      if (!reaches(keys.lease(incarnationOf(process, peer.n)))) stop(peer);
    }
  }

  /** Nobody waits for them any longer; they may come all the same. */
  giveUp(): void {
    for (const [process, peer] of this.#peers) {
      peer.isDeaf = false;
      if (peer.isAbsent) this.#lose(process, 'lease');
    }
  }

  /** Everything is reached again: who is there, and hears? */
  async resume(): Promise<void> {
    for (const peer of this.#peers.values()) {
      if (peer.stoppedAt !== undefined) peer.leaseUntil += performance.now() - peer.stoppedAt;
      peer.stoppedAt = undefined;
    }
    this.#isSuspended = false;
    await this.refresh();
  }

  /** Compares with the leases, and says who has come and gone. */
  async refresh(): Promise<void> {
    const { keys } = this.#options;
    const askedAt = performance.now();
    const { value: census, of } = await this.census([], (incarnation) => [['pttl', keys.lease(incarnation)]]);
    const deaf = [...census.keys()].filter((incarnation) => this.#peers.get(processIn(incarnation))?.isDeaf);
    const hearing = await this.#hearing(deaf);
    const living = new Set<ProcessId>();
    for (const [incarnation, node] of census) {
      const process = processIn(incarnation);
      const leaseMs = Number(of(incarnation)[0]);
      const known = this.#peers.get(process);
      living.add(process);
      // Whose lease survived and who does not hear has not noticed yet that he was cut off: he will come as another incarnation.
      if (known?.isDeaf && known.n === numberIn(incarnation) && !hearing.has(incarnation)) known.leaseUntil = askedAt + leaseMs;
      else this.#see(incarnation, node, { leaseMs, askedAt });
    }
    const now = performance.now();
    for (const [process, peer] of this.#peers) {
      if (living.has(process) || peer.heardAt >= askedAt || peer.stoppedAt !== undefined) continue;
      // It may have come as another incarnation, of which only the list tells.
      if (!this.#reads(keys.registry)) stop(peer);
      // After an outage a lease may be missing although its node lives: it gets the time to come back that it had left.
      else if (!peer.isAbsent || peer.leaseUntil <= now) this.#lose(process, 'lease');
    }
    this.#forget();
  }

  /**
   * Whose lease lives, and what the commands say, which are sent along. One trip where everybody is known; who is not costs a
   * second one, and is announced: his hello may be late, and what is found of him is to be used.
   */
  async census(
    commands: readonly Command[],
    perIncarnation: (incarnation: Incarnation) => readonly Command[] = () => [],
  ): Promise<Reading> {
    const { store, keys } = this.#options;
    const askedAt = performance.now();
    const known = [...this.#nodes.keys()].filter((incarnation) => this.#reads(keys.lease(incarnation)));
    const ask = (incarnation: Incarnation): readonly Command[] => [['get', keys.lease(incarnation)], ...perIncarnation(incarnation)];
    const list: readonly Command[] = this.#reads(keys.registry) ? [['hkeys', keys.registry]] : [];
    const [...answers] = await store.run([...list, ...commands, ...known.flatMap(ask)]);
    const [names] = answers.splice(0, list.length) as [(readonly Incarnation[])?];
    const asked = new Set(known);
    const others = names?.filter((each) => !asked.has(each) && !this.#dead.has(each)) ?? [];
    const fresh = others.filter((each) => this.#reads(keys.lease(each)));
    await this.#meetUnread(others.filter((each) => !this.#reads(keys.lease(each)) && !this.#nodes.has(each)));
    const later = fresh.length === 0 ? [] : await store.run(fresh.flatMap((each) => [['hget', keys.registry, each], ...ask(each)]));

    const alive = new Map<ProcessId, Incarnation>();
    const extras = new Map<Incarnation, readonly unknown[]>();
    const read = (incarnation: Incarnation, [lease, ...extra]: readonly unknown[]): void => {
      extras.set(incarnation, extra);
      if (lease === null) this.#die(incarnation);
      if (lease !== '1') return;
      const process = processIn(incarnation);
      const other = alive.get(process);
      if (!other || numberIn(other) < numberIn(incarnation)) alive.set(process, incarnation);
    };
    const width = 1 + perIncarnation('x.0').length;
    known.forEach((incarnation, i) => read(incarnation, answers.slice(commands.length + i * width, commands.length + (i + 1) * width)));
    fresh.forEach((incarnation, i) => {
      const [info, ...rest] = later.slice(i * (width + 1), (i + 1) * (width + 1));
      if (typeof info === 'string') this.#nodes.set(incarnation, JSON.parse(info) as NodeInfo);
      if (info !== null) read(incarnation, rest);
    });
    for (const incarnation of this.#dead) if (names && !names.includes(incarnation)) this.#dead.delete(incarnation); // swept
    const value = new Map<Incarnation, NodeInfo>();
    for (const incarnation of [...alive.values()].sort()) {
      const node = this.#nodes.get(incarnation);
      if (!node) continue;
      value.set(incarnation, node);
      const peer = this.#peers.get(processIn(incarnation));
      if (!peer || peer.n < numberIn(incarnation)) this.#see(incarnation, node, { askedAt });
    }
    return { value, answers: answers.slice(0, commands.length), of: (incarnation) => extras.get(incarnation) ?? [] };
  }

  /** It is there, or was when Redis was asked. */
  #see(incarnation: Incarnation, node: NodeInfo, { leaseMs = this.#options.nodeTimeoutMs, askedAt = performance.now() } = {}): void {
    const process = processIn(incarnation);
    const n = numberIn(incarnation);
    if (process === this.#options.self) return;
    const known = this.#peers.get(process);
    const lost = this.#lost.get(process);
    if ((known && known.n > n) || (lost && lost.n >= n && lost.at >= askedAt)) return; // there is later news
    const heardAt = Math.max(askedAt, known?.heardAt ?? 0);
    const isRead = this.#reads(this.#options.keys.lease(incarnation));
    this.#lost.delete(process);
    this.#peers.set(process, {
      node,
      n,
      leaseUntil: performance.now() + leaseMs,
      heardAt,
      isAbsent: !isRead,
      isDeaf: this.#isSuspended,
      stoppedAt: isRead ? undefined : performance.now(),
    });
    if (known?.n !== n) this.#options.observer.joined(node);
    this.#options.announced(process);
  }

  #lose(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    const peer = this.#peers.get(process);
    if (!peer) return;
    this.#peers.delete(process);
    this.#lost.set(process, { n: peer.n, at: performance.now() });
    this.#options.observer.lost(peer.node, reason);
  }

  /** An incarnation that had a lease, or never got one, and has none. */
  #die(incarnation: Incarnation): void {
    this.#nodes.delete(incarnation);
    this.#dead.add(incarnation);
    this.#options.dead(incarnation);
  }

  /** Whose lease cannot be read may be there: he is missing, unless he is known to be gone. */
  async #meetUnread(incarnations: readonly Incarnation[]): Promise<void> {
    const { store, keys } = this.#options;
    const infos = incarnations.length === 0 ? [] : await store.run(incarnations.map((each): Command => ['hget', keys.registry, each]));
    incarnations.forEach((incarnation, i) => {
      if (infos[i] === null) return;
      const node = JSON.parse(infos[i] as string) as NodeInfo;
      this.#nodes.set(incarnation, node);
      const lost = this.#lost.get(processIn(incarnation));
      if (!lost || lost.n < numberIn(incarnation)) this.#see(incarnation, node);
    });
  }

  #reads(key: string): boolean {
    return !this.#isSuspended || this.#options.reaches(key);
  }

  /** Those of them who hear on every shard; during an outage nobody can say. */
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

export interface Reading {
  readonly value: Census;
  /** To the commands, in their order. */
  readonly answers: readonly unknown[];
  /** To the commands about one incarnation. */
  of(incarnation: Incarnation): readonly unknown[];
}

function stop(peer: Peer): void {
  peer.isAbsent = true;
  peer.stoppedAt ??= performance.now();
}

const names = (peers: Iterable<Peer>): readonly string[] => [...new Set([...peers].map(({ node }) => node.nodeId))];
