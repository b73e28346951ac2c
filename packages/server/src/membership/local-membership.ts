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

/** A change of one member, the topics whose watchers it may concern, and the flush that writes it. */
export interface MembershipChange {
  readonly connectionId: string;
  readonly hub: string;
  readonly topics: readonly Topic[];
  readonly flush: Promise<Flush>;
}

const NOBODY: ReadonlyMap<string, LocalMember> = new Map();

/**
 * Indexes this node's connections by topic, for groups, users and attributes alike. The directory publishes its contents, and the
 * node subscribes to the channels of its topics.
 */
export class LocalMembership implements LocalState {
  readonly #members = new Map<string, MutableMember>();
  readonly #topics = new Map<Topic, Map<string, LocalMember>>();
  readonly #directory: () => Directory;
  readonly #subscriptions: TopicSubscriptions;
  readonly #watchers = new Set<(change: MembershipChange) => void>();

  /** Takes the directory as a function: the directory reads this membership, so it is created after it. */
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

  /** The members of one hub: an id of another hub does not match. */
  of(hub: string): MemberIndex<LocalMember> {
    return {
      members: (topic) => this.members(topic),
      connection: (id) => {
        const member = this.#members.get(id);
        return member?.hub === hub ? member : undefined;
      },
    };
  }

  /** Adds a watcher. It is called for every change before the change's promise resolves. */
  onChange(watcher: (change: MembershipChange) => void): void {
    this.#watchers.add(watcher);
  }

  /** Resolves when every node reaches the connection through these topics, and every query shows it. */
  async add(connection: Connection, hub: string, topics: readonly Topic[]): Promise<void> {
    const member = { connection, hub, groups: new Set<string>(), topics: new Set(topics) };
    this.#members.set(connection.id, member);
    const heard = topics.map((topic) => this.#add(topic, member));
    await this.#changed(member, { topics, connections: [connection.id] });
    await Promise.all(heard);
  }

  async remove(connectionId: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (!member) return;
    this.#members.delete(connectionId);
    for (const topic of member.topics) this.#remove(topic, connectionId);
    await this.#changed(member, { topics: [...member.topics], connections: [connectionId] });
  }

  /** Resolves like {@link add}, also where it is a member already: the first join may still be on its way. */
  async joinGroup(connectionId: string, group: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (!member) return;
    const topic = groupTopic(member.hub, group);
    if (member.topics.has(topic)) return this.settled(topic);
    member.groups.add(group);
    await this.#move(member, [topic], []);
  }

  /** Resolves when no node reaches the connection through the group any more, and no query shows it there. */
  async leaveGroup(connectionId: string, group: string): Promise<void> {
    const member = this.#members.get(connectionId);
    if (!member) return;
    const topic = groupTopic(member.hub, group);
    if (!member.groups.delete(group)) return this.settled(topic);
    await this.#move(member, [], [topic]);
  }

  /** Resolves when earlier changes are in effect; changes nothing itself. */
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
    const heard = joined.map((topic) => this.#add(topic, member));
    const touched = [...member.topics].filter((topic) => !joined.includes(topic));
    await this.#changed(member, { topics: [...joined, ...left], connections: [member.connection.id], touched });
    await Promise.all(heard);
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
