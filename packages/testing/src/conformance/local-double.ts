import {
  groupTopic,
  nameIn,
  topicPrefix,
  type Change,
  type ConnectionRecord,
  type LocalState,
  type Topic,
} from '@hubline/server/backplane';

/** The local entries of a node, which a test changes. Each change returns the argument for `directory.changed`. */
export class LocalDouble implements LocalState {
  readonly #topics = new Map<Topic, Map<string, unknown>>();
  readonly #records = new Map<string, Omit<ConnectionRecord, 'groups'>>();
  readonly #groups = new Map<string, Set<string>>();

  topics(): Iterable<Topic> {
    return this.#topics.keys();
  }
  connections(): Iterable<string> {
    return this.#records.keys();
  }
  members(topic: Topic): ReadonlyMap<string, unknown> {
    return this.#topics.get(topic) ?? new Map();
  }
  record(connectionId: string): ConnectionRecord | undefined {
    const known = this.#records.get(connectionId);
    return known && { ...known, groups: [...(this.#groups.get(connectionId) ?? [])] };
  }

  /** Adds a connection, or replaces its record. */
  connect(connectionId: string, known: Partial<Omit<ConnectionRecord, 'groups'>> = {}): Change {
    this.#records.set(connectionId, { connectionId, hub: 'chat', attributes: {}, connectedAt: 1, ...known });
    return { topics: [], connections: [connectionId] };
  }

  join(connectionId: string, ...topics: Topic[]): Change {
    if (!this.#records.has(connectionId)) this.connect(connectionId);
    for (const topic of topics) {
      const members = this.#topics.get(topic);
      if (members) members.set(connectionId, true);
      else this.#topics.set(topic, new Map([[connectionId, true]]));
      const group = this.#groupIn(connectionId, topic);
      if (group !== undefined) this.#groups.set(connectionId, (this.#groups.get(connectionId) ?? new Set()).add(group));
    }
    return { topics, connections: [connectionId] };
  }

  joinGroups(connectionId: string, ...groups: readonly string[]): Change {
    if (!this.#records.has(connectionId)) this.connect(connectionId);
    const hub = this.#records.get(connectionId)?.hub ?? '';
    return this.join(connectionId, ...groups.map((group) => groupTopic(hub, group)));
  }

  leave(connectionId: string, ...topics: Topic[]): Change {
    for (const topic of topics) {
      const members = this.#topics.get(topic);
      members?.delete(connectionId);
      if (members?.size === 0) this.#topics.delete(topic);
      this.#groups.get(connectionId)?.delete(this.#groupIn(connectionId, topic) ?? '');
    }
    return { topics, connections: [connectionId] };
  }

  /** Removes a connection and all its memberships. */
  disconnect(connectionId: string): Change {
    const topics = [...this.#topics.keys()].filter((topic) => this.members(topic).has(connectionId));
    const change = this.leave(connectionId, ...topics);
    this.#records.delete(connectionId);
    this.#groups.delete(connectionId);
    return change;
  }

  #groupIn(connectionId: string, topic: Topic): string | undefined {
    const prefix = topicPrefix(this.#records.get(connectionId)?.hub ?? '', 'group');
    return topic.startsWith(prefix) ? nameIn(topic, prefix) : undefined;
  }
}
