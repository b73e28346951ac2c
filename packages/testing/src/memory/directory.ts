import type {
  DirectoryResult,
  Change,
  ConnectionRecord,
  Directory,
  Flush,
  Member,
  MembersPage,
  NodeInfo,
  ProcessId,
  ProcessSnapshot,
  Topic,
  TopicCount,
  TopicsPage,
  WatchLease,
} from '@hubline/server/backplane';
import { Dirty, entriesOf, type Entries } from './entries.ts';
import type { MemoryCluster, MemoryProcess } from './memory-process.ts';

/** The entries of one process that a query can read. */
interface Part {
  readonly node: NodeInfo;
  readonly version: number;
  readonly entries: Entries;
}

export class MemoryDirectory implements Directory {
  readonly #process: MemoryProcess;
  readonly #cluster: MemoryCluster;
  #dirty = new Dirty();
  /** The flush that still accepts changes, and the one that must end before it begins. */
  #nextFlush: Promise<Flush> | undefined;
  #lastFlush: Promise<unknown> = Promise.resolve();

  constructor(memoryProcess: MemoryProcess, cluster: MemoryCluster) {
    this.#process = memoryProcess;
    this.#cluster = cluster;
  }

  changed(change: Change): Promise<Flush> {
    this.#dirty.add(change);
    return (this.#nextFlush ??= this.#flushAfterTurn());
  }

  nodes(): Promise<DirectoryResult<readonly NodeInfo[]>> {
    return this.#ask((parts) => parts.map(({ node }) => node));
  }

  counts(topics: readonly Topic[]): Promise<DirectoryResult<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>> {
    return this.#ask((parts) => new Map(topics.map((topic) => [topic, countsIn(parts, topic)])));
  }

  members(topic: Topic, page: MembersPage): Promise<DirectoryResult<readonly Member[]>> {
    return this.#ask((parts) => membersIn(parts, topic, page));
  }

  membersOf(process: ProcessId, topic: Topic): Promise<DirectoryResult<readonly string[]>> {
    return this.#ask(() => {
      const { state, node, local } = this.#process;
      if (state !== 'up') return process === node.process ? [...local.members(topic).keys()] : [];
      // A process keeps its written entries when its lease ends.
      return [...(this.#cluster.get(process)?.written.members(topic) ?? [])];
    });
  }

  records(members: readonly Member[]): Promise<DirectoryResult<ReadonlyMap<string, ConnectionRecord>>> {
    return this.#ask((parts) => {
      const found = parts.flatMap(({ node: { process }, entries }) =>
        recordsIn(
          entries,
          members.flatMap((member) => (member.process === process ? member.connectionId : [])),
        ),
      );
      return new Map(found.map((record) => [record.connectionId, record]));
    });
  }

  topics(prefix: string, page: TopicsPage): Promise<DirectoryResult<readonly TopicCount[]>> {
    return this.#ask((parts) => topicsIn(parts, prefix, page));
  }

  snapshot(topics: readonly Topic[]): Promise<DirectoryResult<readonly ProcessSnapshot[]>> {
    return this.#ask((parts) =>
      parts.map(({ node, version, entries }) => {
        const ids = new Set(topics.flatMap((topic) => [...entries.members(topic).keys()]));
        return { node, version, records: recordsIn(entries, ids) };
      }),
    );
  }

  watch(topic: Topic): Promise<WatchLease> {
    const { watches } = this.#process;
    const hold = (change: 1 | -1) => {
      const holders = (watches.get(topic) ?? 0) + change;
      if (holders > 0) watches.set(topic, holders);
      else watches.delete(topic);
    };
    return this.#process.perform(() => {
      hold(1);
      let closed: Promise<void> | undefined;
      return { close: () => (closed ??= this.#process.perform(() => hold(-1))) };
    });
  }

  #flushAfterTurn(): Promise<Flush> {
    const flush = this.#lastFlush.then(endOfTurn).then(() => {
      const dirty = this.#dirty;
      this.#dirty = new Dirty();
      this.#nextFlush = undefined;
      return this.#process.perform(() => this.#flush(dirty));
    });
    this.#lastFlush = flush;
    return flush;
  }

  #flush(dirty: Dirty): Flush {
    const version = ++this.#process.flushes;
    // Watches cannot be read, so every touched topic counts as watched. The next registration writes all entries.
    if (!this.#isReading) return { version, watched: dirty.touched };
    this.#process.written.write(dirty, this.#process.local, version);
    const watchers = [...this.#cluster.values()].filter((memoryProcess) => memoryProcess.leased && memoryProcess.watches.size > 0);
    return { version, watched: new Set([...dirty.touched].filter((topic) => watchers.some(({ watches }) => watches.has(topic)))) };
  }

  /** Whether answers may be complete: not if the link is down or the own lease has ended. */
  get #isReading(): boolean {
    return this.#process.state === 'up' && this.#process.leased;
  }

  #ask<T>(read: (parts: readonly Part[]) => T): Promise<DirectoryResult<T>> {
    return this.#process.perform(() => {
      const { node, local, flushes, knownNodeIds } = this.#process;
      if (!this.#isReading) {
        return { value: read([{ node, version: flushes, entries: entriesOf(local) }]), missing: knownNodeIds, hasUnknownNodes: true };
      }
      const leased = [...this.#cluster.values()].filter((memoryProcess) => memoryProcess.leased);
      const parts = leased.map(({ node, written }) => ({ node, version: written.version, entries: written }));
      return { value: read(parts), missing: [], hasUnknownNodes: false };
    });
  }
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function countsIn(parts: readonly Part[], topic: Topic): ReadonlyMap<ProcessId, number> {
  const counts = parts.map(({ node, entries }) => [node.process, entries.members(topic).size] as const);
  return new Map(counts.filter(([, count]) => count > 0));
}

function membersIn(parts: readonly Part[], topic: Topic, { after, limit }: MembersPage): readonly Member[] {
  const found: Member[] = [];
  for (const { node, entries } of parts.toSorted((a, b) => compare(a.node.process, b.node.process))) {
    if (found.length >= limit) break;
    const { process } = node;
    if (after && process < after.process) continue;
    const ids = [...entries.members(topic).keys()].filter((id) => process !== after?.process || id > after.connectionId);
    for (const connectionId of ids.sort(compare).slice(0, limit - found.length)) found.push({ process, connectionId });
  }
  return found;
}

function recordsIn(entries: Entries, connectionIds: Iterable<string>): readonly ConnectionRecord[] {
  const records: ConnectionRecord[] = [];
  for (const connectionId of connectionIds) {
    const record = entries.record(connectionId);
    if (record) records.push(record);
  }
  return records;
}

function topicsIn(parts: readonly Part[], prefix: string, { after = '', limit }: TopicsPage): readonly TopicCount[] {
  const found = new Set<Topic>();
  for (const { entries } of parts) {
    const sorted = entries.sortedTopics();
    const start = firstIndex(sorted, (topic) => topic >= prefix && topic > after);
    for (const topic of sorted.slice(start, start + limit)) if (topic.startsWith(prefix)) found.add(topic);
  }
  const page = [...found].sort().slice(0, limit);
  return page.map((topic) => ({ topic, count: parts.reduce((sum, { entries }) => sum + entries.members(topic).size, 0) }));
}

/** The index of the first topic that passes (binary search); all topics after it pass too. */
function firstIndex(sorted: readonly Topic[], passes: (topic: Topic) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (passes(sorted[middle] ?? '')) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Orders by code units, which is the order of bytes in stores, because names are ASCII. */
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
