import {
  groupTopic,
  type Change,
  type ConnectionRecord,
  type Directory,
  type Flush,
  type LocalState,
  type Topic,
} from '../backplane/index.ts';
import type { Connection } from '../connection/index.ts';
import type { MemberIndex } from './selector.ts';
import type { TopicSubscriptions } from './topic-subscriptions.ts';

/** A connection as a member of topics. */
export interface LocalMember {
  readonly connection: Connection;
  readonly hub: string;
  readonly groups: ReadonlySet<string>;
  readonly topics: ReadonlySet<Topic>;
}

interface MutableMember extends LocalMember {
  readonly groups: Set<string>;
  readonly topics: Set<Topic>;
}

/** A change of one member, with the topics whose watchers it may concern, and the flush that writes it. */
export interface MembershipChange {
  readonly connectionId: string;
  readonly hub: string;
  readonly topics: readonly Topic[];
  readonly flush: Promise<Flush>;
}

const NOBODY: ReadonlyMap<string, LocalMember> = new Map();

/**
 * Indexes this node's connections by topic: groups, users and attributes alike. Each change is written to the directory, and the node is
 * subscribed to the channel of every topic with a member.
 */
export class LocalMembership implements LocalState {
  readonly #members = new Map<string, MutableMember>();
  readonly #topics = new Map<Topic, Map<string, LocalMember>>();
  readonly #directory: () => Directory;
  readonly #subscriptions: TopicSubscriptions;
  readonly #watchers = new Set<(change: MembershipChange) => void>();

  /** The directory is given as a function, because it reads this membership and is created later. */
  constructor(directory: () => Directory, subscriptions: TopicSubscriptions) {
    this.#directory = directory;
    this.#subscriptions = subscriptions;
  }

  get size(): number {
    return this.#members.size;
  }

  topics(): Iterable<Topic> {
    return this.#topics.keys();
  }

  connections(): Iterable<string> {
    return this.#members.keys();
  }

  members(topic: Topic): ReadonlyMap<string, LocalMember> {
    return this.#topics.get(topic) ?? NOBODY;
  }

  member(connectionId: string): LocalMember | undefined {
    return this.#members.get(connectionId);
  }

  record(connectionId: string): ConnectionRecord | undefined {
    const member = this.#members.get(connectionId);
    if (!member) return undefined;
    const { userId, attributes, connectedAt } = member.connection;
    return {
      connectionId,
      hub: member.hub,
      ...(userId === undefined ? {} : { userId }),
      attributes,
      groups: [...member.groups],
      connectedAt,
    };
  }

  /** Returns the members of one hub: ids of other hubs' connections do not match. */
  of(hub: string): MemberIndex<LocalMember> {
    return {
      members: (topic) => this.members(topic),
      connection: (id) => {
        const member = this.#members.get(id);
        return member?.hub === hub ? member : undefined;
      },
    };
  }

  /** Adds a watcher, which is called for every change before the promise of the change resolves. */
  onChange(watcher: (change: MembershipChange) => void): void {
    this.#watchers.add(watcher);
  }

  /** Adds a connection. Resolves when every node reaches it through these topics, and every query shows it. */
  async add(connection: Connection, hub: string, topics: readonly Topic[]): Promise<void> {
    const member = { connection, hub, groups: new Set<string>(), topics: new Set(topics) };
    this.#members.set(connection.id, member);
    const subscribed = topics.map((topic) => this.#add(topic, member));
    await this.#changed(member, { topics, connections: [connection.id] });
    await Promise.all(subscribed);
  }

  async remove(connectionId: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (!member) return;
    this.#members.delete(connectionId);
    for (const topic of member.topics) this.#remove(topic, connectionId);
    await this.#changed(member, { topics: [...member.topics], connections: [connectionId] });
  }

  /** Resolves like {@link add}, also if the connection is a member already: an earlier join may not be in effect yet. */
  async joinGroup(connectionId: string, group: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (!member) return;
    const topic = groupTopic(member.hub, group);
    if (member.topics.has(topic)) return this.settled(topic);
    member.groups.add(group);
    await this.#move(member, [topic], []);
  }

  /** Resolves when no node reaches the connection through the group any more, and no query shows it in the group. */
  async leaveGroup(connectionId: string, group: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (!member) return;
    const topic = groupTopic(member.hub, group);
    if (!member.groups.delete(group)) return this.settled(topic);
    await this.#move(member, [], [topic]);
  }

  /** Resolves when earlier changes are in effect. */
  async settled(topic?: Topic): Promise<void> {
    await this.#directory().changed({ topics: topic === undefined ? [] : [topic], connections: [] });
    if (topic !== undefined) await this.#subscriptions.ready(topic);
  }

  /** Moves a connection between the topics of its indexed attributes. */
  async changeTopics(connectionId: string, joined: readonly Topic[], left: readonly Topic[]): Promise<void> {
    const member = this.#members.get(connectionId);
    if (member) await this.#move(member, joined, left);
  }

  async #move(member: MutableMember, joined: readonly Topic[], left: readonly Topic[]): Promise<void> {
    for (const topic of left) {
      member.topics.delete(topic);
      this.#remove(topic, member.connection.id);
    }
    for (const topic of joined) member.topics.add(topic);
    const subscribed = joined.map((topic) => this.#add(topic, member));
    const touched = [...member.topics].filter((topic) => !joined.includes(topic));
    await this.#changed(member, { topics: [...joined, ...left], connections: [member.connection.id], touched });
    await Promise.all(subscribed);
  }

  #changed({ connection, hub }: LocalMember, change: Change): Promise<Flush> {
    const flush = this.#directory().changed(change);
    const topics = [...change.topics, ...(change.touched ?? [])];
    for (const watcher of this.#watchers) watcher({ connectionId: connection.id, hub, topics, flush });
    return flush;
  }

  #add(topic: Topic, member: LocalMember): Promise<void> {
    let members = this.#topics.get(topic);
    if (!members) this.#topics.set(topic, (members = new Map<string, LocalMember>()));
    members.set(member.connection.id, member);
    return this.#subscriptions.acquire(topic);
  }

  #remove(topic: Topic, connectionId: string): void {
    const members = this.#topics.get(topic);
    if (!members?.delete(connectionId)) return;
    if (members.size === 0) this.#topics.delete(topic);
    this.#subscriptions.release(topic);
  }
}
