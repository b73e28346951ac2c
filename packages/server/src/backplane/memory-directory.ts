import type {
  DirectoryResult,
  Change,
  ConnectionRecord,
  Directory,
  Flush,
  LinkState,
  LocalState,
  Member,
  MembersPage,
  NodeInfo,
  ProcessId,
  ProcessSnapshot,
  TopicCount,
  TopicsPage,
  WatchLease,
} from './backplane.ts';
import type { Topic } from './topic.ts';

/** A node of this operating system process, as the directories of the others read it. */
export interface MemoryNode {
  readonly node: NodeInfo;
  readonly local: LocalState;
  readonly state: LinkState;
  /** The watched topics, each with its number of watches. */
  readonly watches: Map<Topic, number>;
  readonly directory: { readonly version: number };
  /** Settles when the state changes from `connecting`. */
  ready(): Promise<void>;
}

/** Answers queries from the current state of each node in memory, without copies. */
export class MemoryDirectory implements Directory {
  readonly #self: MemoryNode;
  readonly #links: ReadonlyMap<ProcessId, MemoryNode>;
  /** The topics of the next flush. */
  #touched = new Set<Topic>();
  #flush: Promise<Flush> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #version = 0;

  constructor(self: MemoryNode, links: ReadonlyMap<ProcessId, MemoryNode>) {
    this.#self = self;
    this.#links = links;
  }

  /** The number of flushes so far. */
  get version(): number {
    return this.#version;
  }

  /** Schedules a flush. A flush writes nothing, and only finds the watched topics. */
  changed({ topics, touched = [] }: Change): Promise<Flush> {
    for (const topic of [...topics, ...touched]) this.#touched.add(topic);
    this.#flush ??= this.#flushAfterTurn();
    return this.#flush;
  }

  #flushAfterTurn(): Promise<Flush> {
    const flush = this.#last.then(endOfTurn).then(() => {
      const watched = this.#watched();
      this.#touched = new Set();
      this.#flush = undefined;
      this.#version += 1;
      return { version: this.#version, watched };
    });
    this.#last = flush;
    return flush;
  }

  nodes(): Promise<DirectoryResult<readonly NodeInfo[]>> {
    return this.#result(() => this.#parts().map(({ node }) => node));
  }

  counts(topics: readonly Topic[]): Promise<DirectoryResult<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>> {
    return this.#result(() => new Map(topics.map((topic) => [topic, this.#counts(topic)])));
  }

  members(topic: Topic, { after, limit }: MembersPage): Promise<DirectoryResult<readonly Member[]>> {
    return this.#result(() => {
      const found: Member[] = [];
      for (const { node, local } of this.#parts().toSorted((a, b) => compare(a.node.process, b.node.process))) {
        const { process } = node;
        if (after && process < after.process) continue;
        const from = process === after?.process ? after.connectionId : undefined;
        const ids = smallest(local.members(topic).keys(), { limit: limit - found.length, after: from });
        for (const connectionId of ids) found.push({ process, connectionId });
      }
      return found;
    });
  }

  membersOf(process: ProcessId, topic: Topic): Promise<DirectoryResult<readonly string[]>> {
    return this.#result(() => [...(this.#links.get(process)?.local.members(topic).keys() ?? [])]);
  }

  records(members: readonly Member[]): Promise<DirectoryResult<ReadonlyMap<string, ConnectionRecord>>> {
    return this.#result(() => {
      const found = members.flatMap(({ process, connectionId }) => this.#part(process)?.local.record(connectionId) ?? []);
      return new Map(found.map((record) => [record.connectionId, record]));
    });
  }

  topics(prefix: string, { after, limit }: TopicsPage): Promise<DirectoryResult<readonly TopicCount[]>> {
    return this.#result(() => {
      const topics = new Set(this.#parts().flatMap(({ local }) => smallest(local.topics(), { limit, after, prefix })));
      const page = [...topics].sort(compare).slice(0, limit);
      return page.map((topic) => ({ topic, count: [...this.#counts(topic).values()].reduce((sum, count) => sum + count, 0) }));
    });
  }

  snapshot(topics: readonly Topic[]): Promise<DirectoryResult<readonly ProcessSnapshot[]>> {
    return this.#result(() =>
      this.#parts().map(({ node, local, directory }) => {
        const ids = new Set(topics.flatMap((topic) => [...local.members(topic).keys()]));
        return { node, version: directory.version, records: [...ids].flatMap((id) => local.record(id) ?? []) };
      }),
    );
  }

  async watch(topic: Topic): Promise<WatchLease> {
    const { watches } = this.#self;
    const hold = (by: 1 | -1): void => {
      const holders = (watches.get(topic) ?? 0) + by;
      if (holders > 0) watches.set(topic, holders);
      else watches.delete(topic);
    };
    await this.#self.ready().catch(() => undefined);
    hold(1);
    let isHeld = true;
    return {
      async close() {
        if (isHeld) hold(-1);
        isHeld = false;
      },
    };
  }

  /** The nodes that are up; only this node if its link is closed. */
  #parts(): readonly MemoryNode[] {
    return this.#self.state === 'closed' ? [this.#self] : [...this.#links.values()].filter(({ state }) => state === 'up');
  }

  #part(process: ProcessId): MemoryNode | undefined {
    return this.#parts().find(({ node }) => node.process === process);
  }

  #counts(topic: Topic): ReadonlyMap<ProcessId, number> {
    const counts = this.#parts().map(({ node, local }) => [node.process, local.members(topic).size] as const);
    return new Map(counts.filter(([, count]) => count > 0));
  }

  #watched(): ReadonlySet<Topic> {
    if (this.#self.state === 'closed') return this.#touched;
    const watchers = this.#parts().filter(({ watches }) => watches.size > 0);
    return new Set([...this.#touched].filter((topic) => watchers.some(({ watches }) => watches.has(topic))));
  }

  async #result<T>(read: () => T): Promise<DirectoryResult<T>> {
    await this.#self.ready().catch(() => undefined);
    return { value: read(), missing: [], hasUnknownNodes: this.#self.state === 'closed' };
  }
}

export const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Range {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly prefix?: string;
}

/** Returns the first names after `after` that begin with `prefix`, in order, without sorting all names for each page. */
function smallest(names: Iterable<string>, { limit, after, prefix = '' }: Range): readonly string[] {
  const found: string[] = [];
  for (const name of names) {
    if (!name.startsWith(prefix) || (after !== undefined && name <= after)) continue;
    if (found.length >= limit && name >= found.at(-1)!) continue;
    found.splice(positionOf(name, found), 0, name);
    if (found.length > limit) found.pop();
  }
  return limit > 0 ? found : [];
}

function positionOf(name: string, sorted: readonly string[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Names are ASCII, so the order of code units is the order of bytes in stores. */
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
