import { isDeepStrictEqual } from 'node:util';
import type { LeaveReason } from '@hubline/protocol';
import {
  allTopic,
  attributeTopic,
  groupTopic,
  userTopic,
  type DirectoryResult,
  type ConnectionRecord,
  type Directory,
  type NodeInfo,
  type ProcessId,
  type MissingNodes,
  type Topic,
  type WatchLease,
} from '../backplane/index.ts';
import { processOf, type Clock } from '../connection/index.ts';
import { ExpiringMap, termsOf, select, type SelectorTerms, type Selector, type TopicSubscriptions } from '../membership/index.ts';
import { watchChannel, type TopicChange, type TopicChanges } from './topic-changes.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { isComplete, MissingNodesCollector, NONE_MISSING } from './missing-nodes.ts';

/** The records of all known connections that match the watch. */
export interface WatchSnapshot extends MissingNodes {
  readonly records: readonly ConnectionRecord[];
}

export type WatchUpdate =
  | { readonly type: 'join' | 'update'; readonly record: ConnectionRecord }
  | { readonly type: 'leave'; readonly record: ConnectionRecord; readonly reason: LeaveReason };

/** Receives the events of a watch. */
export interface WatchListener {
  /** Called once, when the watch has its first snapshot. Updates follow. */
  begin(): void;
  update(update: WatchUpdate): void;
}

export interface WatchOptions {
  readonly hub: string;
  readonly selector: Selector;
  readonly directory: Directory;
  readonly subscriptions: TopicSubscriptions;
  readonly changes: TopicChanges;
  readonly nodes: ClusterNodes;
  readonly clock: Pick<Clock, 'elapsed' | 'after'>;
  readonly report: (error: unknown) => void;
}

/** The most changes that wait while a snapshot is read. */
const MAX_WAITING = 1000;

/** The most memory for the ids of connections that left: about 25,000 for each watch. */
const MAX_LEFT_BYTES = 2 * 1024 * 1024;

/** The delay between an incomplete snapshot and the next one. It doubles each time. */
const RETRY_MS = { least: 250, most: 15_000 };

interface Known {
  readonly record: ConnectionRecord;
  readonly version: number;
}

/**
 * Follows the connections of a selector. It first holds watch leases, so that every node publishes its changes, and then reads a snapshot.
 * Changes that arrive meanwhile wait; those that the snapshot already contains are ignored by their version.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #topics: readonly Topic[];
  readonly #known = new Map<string, Known>();
  /** The versions at which connections left: a slower channel may still carry older updates of them. */
  readonly #left: ExpiringMap<number>;
  /** The highest version that was received from each process, on any channel. */
  readonly #received = new Map<ProcessId, number>();
  /** The version of each process in the last snapshot: changes up to this version are ignored. */
  readonly #snapshotVersions = new Map<ProcessId, number>();
  /** The nodes that the last snapshot lacks. */
  #missing: MissingNodes = NONE_MISSING;
  #retryMs = RETRY_MS.least;
  #cancelRetry: () => void = () => undefined;
  #leases: readonly WatchLease[] = [];
  /** The changes that wait while a snapshot is read; undefined at other times. */
  #waiting: (readonly [TopicChange, ProcessId])[] | undefined = [];
  #stopListening: () => void = () => undefined;
  /** Whether another snapshot is needed after the one that is being read. */
  #again = false;
  #listener: WatchListener | undefined;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#topics = cover(options.selector, options.hub);
    this.#left = new ExpiringMap({ elapsed: () => options.clock.elapsed(), maxBytes: MAX_LEFT_BYTES });
  }

  async start(listener: WatchListener): Promise<void> {
    const { changes, directory, subscriptions } = this.#options;
    this.#listener = listener;
    this.#stopListening = changes.listen((change, from) => this.#receive(change, from));
    await Promise.all(this.#topics.map((topic) => subscriptions.acquire(watchChannel(topic))));
    const leases = await Promise.all(this.#topics.map((topic) => directory.watch(topic)));
    if (this.#closed) return release(leases);
    this.#leases = leases;
    for (const [id, known] of (await this.#read()).value) this.#known.set(id, known);
    listener.begin();
    this.#catchUp();
  }

  get snapshot(): WatchSnapshot {
    const { missing, hasUnknownNodes } = this.#missing;
    return { records: [...this.#known.values()].map(({ record }) => record), missing, hasUnknownNodes };
  }

  /** Reads another snapshot, since changes may have been missed. */
  resynchronise(): void {
    if (this.#closed) return;
    if (this.#waiting) return void (this.#again = true);
    this.#waiting = [];
    this.#cancelRetry();
    void this.#compare().catch((error: unknown) => {
      this.#options.report(error);
      this.#missing = { missing: [], hasUnknownNodes: true };
      this.#catchUp();
    });
  }

  lost({ process }: NodeInfo): void {
    if (this.#waiting) return void (this.#again = true);
    for (const [id, { record }] of this.#known) if (processOf(id) === process) this.#leave(record, 'node_lost');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRetry();
    this.#stopListening();
    for (const topic of this.#topics) this.#options.subscriptions.release(watchChannel(topic));
    await release(this.#leases);
  }

  async #compare(): Promise<void> {
    const { value: present, missing } = await this.#read();
    if (this.#closed) return;
    for (const [id, { record }] of this.#known) {
      const known = present.has(id) || missing.includes(this.#options.nodes.nameOf(processOf(id)));
      if (!known) this.#leave(record, this.#options.nodes.get(processOf(id)) ? 'ended' : 'node_lost');
    }
    for (const { record, version } of present.values()) this.#upsert(record, version);
    this.#catchUp();
  }

  async #read(): Promise<DirectoryResult<ReadonlyMap<string, Known>>> {
    const present = new Map<string, Known>();
    const missing = new MissingNodesCollector();
    const versions = new Map<ProcessId, number>();
    for (const { node, version, records } of missing.collect(await this.#options.directory.snapshot(this.#topics))) {
      versions.set(node.process, version);
      for (const record of records) if (this.#matches(record)) present.set(record.connectionId, { record, version });
    }
    for (const [process, version] of versions) this.#snapshotVersions.set(process, version);
    this.#missing = missing;
    return missing.result(present);
  }

  #receive(change: TopicChange, from: ProcessId): void {
    if (!this.#topics.includes(change.topic)) return;
    if (!this.#waiting) return this.#apply(change, from);
    this.#waiting.push([change, from]);
    if (this.#waiting.length <= MAX_WAITING) return;
    // The directory is slow: another snapshot after this one costs less memory than the waiting changes.
    this.#waiting = [];
    this.#again = true;
  }

  /** Applies the changes that arrived while the snapshot was read. */
  #catchUp(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const [change, from] of waiting) this.#apply(change, from);
    if (this.#again) {
      this.#again = false;
      this.resynchronise();
    } else this.#retry();
  }

  /** Schedules another snapshot if the last one lacks a node: changes of that node may be lost. */
  #retry(): void {
    if (isComplete(this.#missing)) this.#retryMs = RETRY_MS.least;
    if (this.#closed || isComplete(this.#missing)) return;
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => this.resynchronise());
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS.most);
  }

  #apply({ version, present, gone }: TopicChange, from: ProcessId): void {
    if (this.#closed || !this.#options.nodes.get(from)) return; // a lost process: if it joins again, a snapshot is read
    if (version <= (this.#snapshotVersions.get(from) ?? 0)) return;
    const received = this.#received.get(from) ?? 0;
    this.#received.set(from, Math.max(received, version));
    // An unknown connection on a slower channel is new, or it left and its entry has expired: only a snapshot tells which.
    const isDoubtful = version < received && this.#left.hasExpired;
    if (isDoubtful && present.some(({ connectionId }) => !this.#known.has(connectionId) && this.#left.get(connectionId) === undefined)) {
      return this.resynchronise();
    }
    for (const record of present) this.#upsert(record, version);
    for (const id of gone) {
      this.#left.set(id, Infinity);
      const known = this.#known.get(id);
      if (known) this.#leave(known.record, 'ended');
    }
  }

  #upsert(record: ConnectionRecord, version: number): void {
    const id = record.connectionId;
    const known = this.#known.get(id);
    if ((known?.version ?? this.#left.get(id) ?? 0) >= version) return;
    if (!this.#matches(record)) {
      this.#left.set(id, version);
      return known && this.#leave(record, 'changed');
    }
    this.#known.set(id, { record, version });
    if (!known) this.#listener?.update({ type: 'join', record });
    else if (!isSame(known.record, record)) this.#listener?.update({ type: 'update', record });
  }

  #leave(record: ConnectionRecord, reason: LeaveReason): void {
    if (this.#known.delete(record.connectionId)) this.#listener?.update({ type: 'leave', record, reason });
  }

  /** Evaluates the selector over this connection alone. */
  #matches(record: ConnectionRecord): boolean {
    const topics = topicsOf(record);
    const one: ReadonlyMap<string, ConnectionRecord> = new Map([[record.connectionId, record]]);
    const index = {
      members: (topic: Topic) => (topics.has(topic) ? one : NOBODY),
      connection: (id: string) => one.get(id),
    };
    return record.hub === this.#options.hub && select(this.#options.selector, index).size > 0;
  }
}

async function release(leases: readonly WatchLease[]): Promise<void> {
  await Promise.all(leases.map((lease) => lease.close()));
}

const NOBODY: ReadonlyMap<string, ConnectionRecord> = new Map();

/** Returns topics that together contain all connections of the selector. */
function cover(selector: Selector, hub: string): readonly Topic[] {
  const { topics, connections } = termsOf(selector, (parts) => parts.reduce((least, part) => (cost(part) < cost(least) ? part : least)));
  return connections.length > 0 ? [...new Set([...topics, allTopic(hub)])] : topics;
}

/** The number of topics to watch: connections that are selected by id need the topic of all. */
const cost = ({ topics, connections }: SelectorTerms): number => topics.length + Math.min(connections.length, 1);

/** Whether two records are equal; the order of groups does not matter. */
const isSame = (a: ConnectionRecord, b: ConnectionRecord): boolean =>
  isDeepStrictEqual({ ...a, groups: new Set(a.groups) }, { ...b, groups: new Set(b.groups) });

/** Returns the topics of a connection, and topics of attributes that are not indexed, which no selector contains. */
function topicsOf({ hub, userId, groups, attributes }: ConnectionRecord): ReadonlySet<Topic> {
  return new Set([
    allTopic(hub),
    ...(userId === undefined ? [] : [userTopic(hub, userId)]),
    ...groups.map((group) => groupTopic(hub, group)),
    ...Object.entries(attributes).map(([key, value]) => attributeTopic(hub, key, value)),
  ]);
}
