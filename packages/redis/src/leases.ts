import type { NodeInfo, ProcessId } from '@hubline/server/backplane';
import { numberIn, processIn, type Incarnation } from './keys.ts';
import type { LinkContext } from './link-context.ts';
import type { Command } from './redis-connection.ts';
import type { Registration } from './registration.ts';
import type { Sweeper } from './sweeper.ts';
import { decodeLease, decodeNode, decodeTexts, isAlive, isIncarnation, WHOLE } from './values.ts';

export interface LeasesOptions extends Pick<LinkContext, 'self' | 'store' | 'keys' | 'unreadable' | 'events'> {
  readonly registration: Pick<Registration, 'session'>;
  readonly sweeper: Pick<Sweeper, 'schedule'>;
  readonly peers: LeaseObserver;
}

/** Handles the states of leases that were read. */
export interface LeaseObserver {
  /** Handles the latest living incarnation of a process. */
  alive(incarnation: Incarnation, node: NodeInfo, read: Required<LeaseTimes>): void;
  /** Handles a lease that cannot be decoded. */
  undecodable(incarnation: Incarnation): void;
  /** Handles a loss of data in Redis: leases of other processes may be missing although these live. */
  doubtAll(): void;
}

export interface LeaseTimes {
  readonly leaseUntil?: number;
  /** When Redis was queried, by `performance.now()`. */
  readonly queriedAt?: number;
}

/** The nodes with a live lease: the latest incarnation of each process. */
export type LiveNodes = ReadonlyMap<Incarnation, NodeInfo>;

/** The live nodes and the answers to other commands of one query. */
export interface LiveNodesReading {
  readonly liveNodes: LiveNodes;
  /** Live nodes whose entries are not completely written, or cannot be decoded. */
  readonly missing: readonly string[];
  /** The answers to the commands, in their order. */
  readonly answers: readonly unknown[];
  /** The answers to the commands about one incarnation. */
  of(incarnation: Incarnation): readonly unknown[];
}

/** Thrown if answers of Redis are not reliable: the lease of this process is missing, or the registry is no hash. Already handled. */
export class LeaseEndedError extends Error {
  override readonly name = 'LeaseEndedError';
  constructor() {
    super('The lease of this process has ended.');
  }
}

/** The answer to PTTL of a key that does not exist. */
const NO_KEY = -2;
/** Replaces the answer about a lease of another type. */
const UNREADABLE = '';

/** Reads the registry and the leases of all incarnations. */
export class Leases {
  readonly #options: LeasesOptions;
  /** The nodes of the known incarnations. The node of an incarnation never changes. */
  readonly #nodes = new Map<Incarnation, NodeInfo>();
  /** Incarnations that have ended and are not swept yet. */
  readonly #ended = new Set<Incarnation>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  nameOf(incarnation: Incarnation): string | undefined {
    return this.#nodes.get(incarnation)?.nodeId;
  }

  /** Stores the node of an incarnation from its hello. Returns false if the lease has already ended. */
  announce(incarnation: Incarnation, node: NodeInfo): boolean {
    if (this.#ended.has(incarnation)) return false;
    this.#nodes.set(incarnation, node);
    return true;
  }

  /**
   * Reads the live nodes and the answers to the commands in one round trip. Unknown incarnations cost a second one, and are announced:
   * their hello may arrive later, and queries use their entries already.
   * @throws LeaseEndedError if the lease of this process is missing
   */
  async readLiveNodes(
    commands: readonly Command[],
    perIncarnation: (incarnation: Incarnation) => readonly Command[] = () => [],
  ): Promise<LiveNodesReading> {
    const { keys, registration, peers } = this.#options;
    const queriedAt = performance.now();
    const mine = registration.session.incarnation;
    const known = [...new Set([mine, ...this.#nodes.keys()])];
    const leasesOf = (incarnations: readonly Incarnation[]): Command => [
      'mget',
      ...incarnations.map((each) => keys.lease(each)),
      ...incarnations.map((each) => keys.whole(each)),
    ];
    const [listed, leases, ...answers] = await this.read([
      ['hkeys', keys.registry],
      leasesOf(known),
      ...commands,
      ...known.flatMap(perIncarnation),
    ]);
    const { names, fresh } = this.#listed(listed, known);

    const alive = new Map<ProcessId, Incarnation>();
    const extras = new Map<Incarnation, readonly unknown[]>();
    const partial = new Set<Incarnation>();
    const read = (incarnation: Incarnation, [lease, whole]: readonly unknown[], extra: readonly unknown[]): void => {
      extras.set(incarnation, extra);
      const state = decodeLease(lease);
      if (whole !== WHOLE) partial.add(incarnation);
      if (state === 'ended' && incarnation !== registration.session.incarnation) this.#end(incarnation);
      if (state === 'unreadable') this.#reportUnreadable(incarnation);
      if (!isAlive(state)) return;
      const process = processIn(incarnation);
      const other = alive.get(process);
      if (!other || numberIn(other) < numberIn(incarnation)) alive.set(process, incarnation);
    };
    const width = perIncarnation(mine).length;
    const extrasOf = (from: readonly unknown[], i: number) => from.slice(i * width, (i + 1) * width);
    const found = await this.#confirmed(known, leases as readonly unknown[]);
    known.forEach((each, i) => read(each, [found[i], found[known.length + i]], extrasOf(answers.slice(commands.length), i)));
    const leaseMs = new Map<Incarnation, number>();
    if (fresh.length > 0) {
      const [infos, freshLeases, ...more] = await this.read([
        ['hmget', keys.registry, ...fresh],
        leasesOf(fresh),
        ...fresh.map((each): Command => ['pttl', keys.lease(each)]),
        ...fresh.flatMap(perIncarnation),
      ]);
      fresh.forEach((incarnation, i) => {
        const info = (infos as readonly unknown[])[i];
        const node = decodeNode(info);
        if (node) this.#nodes.set(incarnation, node);
        else if (info !== null) this.#options.unreadable.value(keys.registry, incarnation);
        leaseMs.set(incarnation, Number(more[i]));
        const states = freshLeases as readonly unknown[];
        if (info !== null) read(incarnation, [states[i], states[fresh.length + i]], extrasOf(more.slice(fresh.length), i));
      });
    }
    for (const incarnation of this.#ended) if (!names.has(incarnation)) this.#ended.delete(incarnation); // it is swept
    const liveNodes = new Map<Incarnation, NodeInfo>();
    const missing: string[] = [];
    for (const incarnation of [...alive.values()].sort()) {
      const node = this.#nodeOf(incarnation);
      if (!node || partial.has(incarnation)) missing.push(node?.nodeId ?? processIn(incarnation));
      if (!node) continue;
      liveNodes.set(incarnation, node);
      peers.alive(incarnation, node, { queriedAt, leaseUntil: queriedAt + (leaseMs.get(incarnation) ?? 0) });
    }
    return { liveNodes, missing, answers: answers.slice(0, commands.length), of: (incarnation) => extras.get(incarnation) ?? [] };
  }

  /**
   * Runs commands that read, and commands that check this process's own writes. If these are missing, no answer is reliable.
   * @throws LeaseEndedError if writes of this process are missing
   */
  async read(commands: readonly Command[]): Promise<readonly unknown[]> {
    const { store, keys, registration, peers, events } = this.#options;
    const { session } = registration;
    // Each shard can lose data by itself, so a counter on each is checked. On a single Redis the lease is enough.
    const tags = store.isSingleRedis ? [] : new Set(commands.map(([, key]) => store.tagOf(String(key))));
    const checks: readonly Command[] = [['get', keys.lease(session.incarnation)], ...session.counters(tags)];
    const answers = [...(await store.read([...commands, ...checks]))];
    if (answers.splice(commands.length).includes(null) && session === registration.session) {
      peers.doubtAll();
      events.ownLeaseEnded(session);
      throw new LeaseEndedError();
    }
    return answers;
  }

  #nodeOf(incarnation: Incarnation): NodeInfo | undefined {
    const { self } = this.#options;
    return processIn(incarnation) === self.process ? self : this.#nodes.get(incarnation);
  }

  /** Returns the names in the registry, and those that are neither known nor ended. */
  #listed(listed: unknown, known: readonly Incarnation[]): { readonly names: ReadonlySet<string>; readonly fresh: readonly Incarnation[] } {
    const { keys, unreadable } = this.#options;
    const names = decodeTexts(listed);
    if (!names) {
      unreadable.value(keys.registry);
      throw new LeaseEndedError();
    }
    const fresh = names.filter((each): each is Incarnation => {
      if (isIncarnation(each)) return !known.includes(each) && !this.#ended.has(each);
      unreadable.value(keys.registry, each);
      return false;
    });
    return { names: new Set(names), fresh };
  }

  /** Distinguishes missing leases from keys of another type: MGET answers null for both. */
  async #confirmed(incarnations: readonly Incarnation[], leases: readonly unknown[]): Promise<readonly unknown[]> {
    const ended = incarnations.filter((_each, i) => leases[i] === null);
    if (ended.length === 0) return leases;
    const left = await this.read(ended.map((each) => ['pttl', this.#options.keys.lease(each)]));
    const isThere = new Set(ended.filter((_each, i) => left[i] !== NO_KEY));
    return leases.map((lease, i) => (isThere.has(incarnations[i]!) ? UNREADABLE : lease));
  }

  /** Reports a lease that cannot be decoded. Its process counts as missing until the lease is renewed, or would have ended. */
  #reportUnreadable(incarnation: Incarnation): void {
    const { unreadable, keys, peers } = this.#options;
    unreadable.value(keys.lease(incarnation));
    peers.undecodable(incarnation);
  }

  /** Forgets an incarnation without a lease, and schedules its sweep. */
  #end(incarnation: Incarnation): void {
    this.#nodes.delete(incarnation);
    this.#ended.add(incarnation);
    this.#options.sweeper.schedule(incarnation);
  }
}
