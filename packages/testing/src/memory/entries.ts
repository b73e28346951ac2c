import type { Change, ConnectionRecord, LocalState, Topic } from '@hubline/server/backplane';

/** The entries of one process that queries read: the written ones, or the local ones of this process while its link is down. */
export interface Entries {
  sortedTopics(): readonly Topic[];
  members(topic: Topic): Ids;
  record(connectionId: string): ConnectionRecord | undefined;
}

interface Ids {
  readonly size: number;
  has(connectionId: string): boolean;
  keys(): Iterable<string>;
}

export const entriesOf = (local: LocalState): Entries => ({
  sortedTopics: () => [...local.topics()].sort(),
  members: (topic) => local.members(topic),
  record: (connectionId) => local.record(connectionId),
});

/** The changes of one flush. */
export class Dirty {
  /** The connections that may have joined or left, by topic. */
  readonly topics = new Map<Topic, (readonly string[])[]>();
  readonly connections = new Set<string>();
  /** The topics whose watchers are informed. */
  readonly touched = new Set<Topic>();

  add({ topics, connections, touched = [] }: Change): void {
    for (const topic of [...topics, ...touched]) this.touched.add(topic);
    for (const topic of topics) {
      const lists = this.topics.get(topic);
      if (lists) lists.push(connections);
      else this.topics.set(topic, [connections]);
    }
    for (const connectionId of connections) this.connections.add(connectionId);
  }
}

const NO_MEMBERS: ReadonlySet<string> = new Set();

/** The entries that one process has written into the directory. */
export class WrittenEntries implements Entries {
  /** The version of the last flush. */
  version = 0;
  readonly #topics = new Map<Topic, Set<string>>();
  readonly #records = new Map<string, ConnectionRecord>();
  /** Cached until a topic is added or removed, so that a query of many pages sorts once. */
  #sorted: readonly Topic[] | undefined;

  sortedTopics(): readonly Topic[] {
    return (this.#sorted ??= [...this.#topics.keys()].sort());
  }

  members(topic: Topic): ReadonlySet<string> {
    return this.#topics.get(topic) ?? NO_MEMBERS;
  }

  record(connectionId: string): ConnectionRecord | undefined {
    return this.#records.get(connectionId);
  }

  clear(): void {
    this.#topics.clear();
    this.#records.clear();
    this.#sorted = undefined;
  }

  rewrite(local: LocalState, version: number): void {
    this.clear();
    for (const topic of local.topics()) this.#writeTopic(topic, local.members(topic));
    for (const connectionId of local.connections()) this.#writeRecord(connectionId, local);
    this.version = version;
  }

  write(dirty: Dirty, local: LocalState, version: number): void {
    for (const [topic, lists] of dirty.topics) this.#updateTopic(topic, lists, local.members(topic));
    for (const connectionId of dirty.connections) this.#writeRecord(connectionId, local);
    this.version = version;
  }

  #writeTopic(topic: Topic, members: Ids): void {
    if (this.#topics.has(topic) !== members.size > 0) this.#sorted = undefined;
    if (members.size > 0) this.#topics.set(topic, new Set(members.keys()));
    else this.#topics.delete(topic);
  }

  /** Updates single members, so that a join costs the same in a small and in a large topic. */
  #updateTopic(topic: Topic, lists: readonly (readonly string[])[], members: Ids): void {
    const written = this.#topics.get(topic);
    const changes = lists.reduce((sum, list) => sum + list.length, 0);
    if (!written || changes >= members.size) return this.#writeTopic(topic, members);
    for (const list of lists) {
      for (const connectionId of list) {
        if (members.has(connectionId)) written.add(connectionId);
        else written.delete(connectionId);
      }
    }
  }

  #writeRecord(connectionId: string, local: LocalState): void {
    const record = local.record(connectionId);
    // A copy, because the owner may change its record: other nodes read the written state.
    if (record) this.#records.set(connectionId, { ...record, attributes: { ...record.attributes }, groups: [...record.groups] });
    else this.#records.delete(connectionId);
  }
}
