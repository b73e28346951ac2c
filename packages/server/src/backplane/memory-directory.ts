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
import { LocalDirectory } from './local-directory.ts';
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
    return this.#result((here) => here.nodes());
  }

  counts(topics: readonly Topic[]): Promise<DirectoryResult<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>> {
    return this.#result((here) => here.counts(topics));
  }

  members(topic: Topic, page: MembersPage): Promise<DirectoryResult<readonly Member[]>> {
    return this.#result((here) => here.members(topic, page));
  }

  membersOf(process: ProcessId, topic: Topic): Promise<DirectoryResult<readonly string[]>> {
    return this.#result((here) => here.membersOf(process, topic));
  }

  records(members: readonly Member[]): Promise<DirectoryResult<ReadonlyMap<string, ConnectionRecord>>> {
    return this.#result((here) => here.records(members));
  }

  topics(prefix: string, page: TopicsPage): Promise<DirectoryResult<readonly TopicCount[]>> {
    return this.#result((here) => here.topics(prefix, page));
  }

  snapshot(topics: readonly Topic[]): Promise<DirectoryResult<readonly ProcessSnapshot[]>> {
    return this.#result((here) => here.snapshot(topics));
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

  #watched(): ReadonlySet<Topic> {
    if (this.#self.state === 'closed') return this.#touched;
    const watchers = this.#parts().filter(({ watches }) => watches.size > 0);
    return new Set([...this.#touched].filter((topic) => watchers.some(({ watches }) => watches.has(topic))));
  }

  async #result<T>(read: (here: LocalDirectory) => T): Promise<DirectoryResult<T>> {
    await this.#self.ready().catch(() => undefined);
    const here = new LocalDirectory(this.#parts().map(({ node, local, directory }) => ({ node, local, version: directory.version })));
    return { value: read(here), missing: [], hasUnknownNodes: this.#self.state === 'closed' };
  }
}

export const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
