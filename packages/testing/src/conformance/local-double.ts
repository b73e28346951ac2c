import type { Change, ConnectionRecord, Local, Topic } from '@hubline/server';

/** A node's local entries, changed by the test. Each change returns the argument for `directory.changed`. */
export class LocalDouble implements Local {
  readonly #topics = new Map<Topic, Map<string, unknown>>();
  readonly #records = new Map<string, ConnectionRecord>();

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
    return this.#records.get(connectionId);
  }

  /** Sets what is known of a connection; it is there from now on. */
  connect(connectionId: string, known: Partial<ConnectionRecord> = {}): Change {
    this.#records.set(connectionId, { connectionId, hub: 'chat', attributes: {}, groups: [], since: 1, ...known });
    return { topics: [], connections: [connectionId] };
  }

  join(connectionId: string, ...topics: Topic[]): Change {
    if (!this.#records.has(connectionId)) this.connect(connectionId);
    for (const topic of topics) {
      const members = this.#topics.get(topic);
      if (members) members.set(connectionId, true);
      else this.#topics.set(topic, new Map([[connectionId, true]]));
    }
    return { topics, connections: [connectionId] };
  }

  leave(connectionId: string, ...topics: Topic[]): Change {
    for (const topic of topics) {
      const members = this.#topics.get(topic);
      members?.delete(connectionId);
      if (members?.size === 0) this.#topics.delete(topic);
    }
    return { topics, connections: [connectionId] };
  }

  /** The connection is gone, from its topics too. */
  disconnect(connectionId: string): Change {
    const topics = [...this.#topics.keys()].filter((topic) => this.members(topic).has(connectionId));
    this.#records.delete(connectionId);
    return this.leave(connectionId, ...topics);
  }
}
