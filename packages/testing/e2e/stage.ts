import { until } from '@hubline/testing';
import { checkHistory, type History, type HistoryEvent, type Observation, type Verdict } from '@hubline/testing/history';
import type { Cluster } from '@hubline/testing/cluster';
import type { Peer } from '@hubline/testing/playwright';
import type { Cell } from './axes.ts';
import { situationOf } from './constraints.ts';
import type { matrix } from './contract.ts';
import { gapsIn, merge, type Recorded } from './merge.ts';

type HubOf<C> = C extends { readonly '~types'?: { readonly hub: infer H } } ? H : never;
type ReceiverOf<C> = C extends { readonly '~types'?: { readonly receiver: infer R } } ? R : never;
export type MatrixPeer = Peer<HubOf<typeof matrix>, ReceiverOf<typeof matrix>>;

export interface StageParts {
  readonly cell: Cell;
  readonly cluster: Cluster;
  readonly peers: readonly MatrixPeer[];
  readonly history: History;
  readonly chance: () => number;
}

/** One run of a cell: its cluster and peers, and what was observed. */
export class Stage {
  readonly cell: Cell;
  readonly cluster: Cluster;
  readonly peers: readonly MatrixPeer[];
  readonly chance: () => number;
  readonly #history: History;
  /** By recorded event, the connection that it concerns. */
  readonly #connections = new Map<HistoryEvent, string>();
  readonly #lastConnections = new Map<MatrixPeer, string>();
  /** When the run began: nodes have printed gaps of earlier runs. */
  readonly #startedMs = Date.now();
  #isOver = false;
  #turns = 0;
  #calls = 0;

  constructor({ cell, cluster, peers, history, chance }: StageParts) {
    this.cell = cell;
    this.cluster = cluster;
    this.peers = peers;
    this.chance = chance;
    this.#history = history;
  }

  /** Whether the load must end. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How many turns of the load have succeeded. */
  get turns(): number {
    return this.#turns;
  }

  countTurn(): void {
    this.#turns++;
  }

  endLoad(): void {
    this.#isOver = true;
  }

  /** A name for a call, unique in this run. */
  newCall(name: string): string {
    return `${name} ${++this.#calls}`;
  }

  /** @returns a function that adds the connection that the server named later. */
  record(observation: Observation): (connectionId: string) => void {
    this.#history.record(observation);
    const event = this.#history.events.at(-1);
    return (connectionId) => {
      if (event) this.#connections.set(event, connectionId);
    };
  }

  /** Records a join of the connection `connectionId`. */
  joined(by: string, topic: string, connectionId: string): void {
    this.record({ type: 'joined', by, topic })(connectionId);
  }

  /** The present connection of a page. While the page is frozen, use {@link lastConnectionOf}. */
  async connectionOf(peer: MatrixPeer): Promise<string> {
    const id = await peer.connectionId();
    this.#lastConnections.set(peer, id);
    return id;
  }

  /** The last connection that {@link connectionOf} found. */
  lastConnectionOf(peer: MatrixPeer): string | undefined {
    return this.#lastConnections.get(peer);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.chance() * items.length)];
    if (item === undefined) throw new Error('There is nothing to pick from.');
    return item;
  }

  /** Resolves when all pages are connected. */
  async connected(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.untilState('connected', 20_000)));
  }

  /** Merges everything that was observed so far. */
  async events(): Promise<readonly HistoryEvent[]> {
    const pages = await Promise.all(this.peers.map(async (peer) => [peer.name, await peer.events()] as const));
    const recorded = this.#history.events.map((event): Recorded => ({ event, connectionId: this.#connections.get(event) }));
    const gaps = this.cluster.nodes
      .flatMap(({ nodeId, log }) => gapsIn(log, nodeId))
      .filter(({ atMs }) => atMs >= this.#startedMs)
      .sort((one, other) => one.atMs - other.atMs);
    return merge({ recorded, pages: new Map(pages), gaps });
  }

  /** Checks the promises until they hold, because messages may still be on their way. Returns the last verdict after `timeoutMs`. */
  async verdict(timeoutMs: number): Promise<{ readonly verdict: Verdict; readonly events: readonly HistoryEvent[] }> {
    const check = async () => {
      const events = await this.events();
      return { events, verdict: checkHistory(events, [situationOf(this.cell)]) };
    };
    let last = await check();
    await until(async () => last.verdict.first === undefined || ((last = await check()), last.verdict.first === undefined), {
      timeoutMs,
      intervalMs: 100,
    }).catch(() => undefined); // the verdict says what is wrong
    return last;
  }
}
