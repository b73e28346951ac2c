import { groupTopic, type Change, type ConnectionRecord, type Directory, type Flush, type Local, type Topic } from '../backplane/index.ts';
import type { Connection } from '../connection/index.ts';
import type { Population } from './selector.ts';
import type { Subscriptions } from './subscriptions.ts';

/** A connection as a member of topics. */
export interface Resident {
  readonly connection: Connection;
  readonly hub: string;
  readonly groups: ReadonlySet<string>;
  readonly topics: ReadonlySet<Topic>;
}

interface MutableResident extends Resident {
  readonly groups: Set<string>;
  readonly topics: Set<Topic>;
}

/** A change of one resident, the topics whose watchers it may concern, and the flush that writes it. */
export interface RosterChange {
  readonly connectionId: string;
  readonly hub: string;
  readonly topics: readonly Topic[];
  readonly flush: Promise<Flush>;
}

const NOBODY: ReadonlyMap<string, Resident> = new Map();

/**
 * Who is here, and in which topics: the one index of one node, for groups, users and attributes alike. What it has is
 * what the directory publishes, and which channels this node hears.
 */
export class Roster implements Local {
  readonly #residents = new Map<string, MutableResident>();
  readonly #topics = new Map<Topic, Map<string, Resident>>();
  readonly #directory: () => Directory;
  readonly #subscriptions: Subscriptions;
  readonly #watchers = new Set<(change: RosterChange) => void>();

  /** The directory is asked for late: it reads this roster, so it is made after it. */
  constructor(directory: () => Directory, subscriptions: Subscriptions) {
    this.#directory = directory;
    this.#subscriptions = subscriptions;
  }

  get size(): number {
    return this.#residents.size;
  }

  topics(): Iterable<Topic> {
    return this.#topics.keys();
  }

  connections(): Iterable<string> {
    return this.#residents.keys();
  }

  members(topic: Topic): ReadonlyMap<string, Resident> {
    return this.#topics.get(topic) ?? NOBODY;
  }

  resident(connectionId: string): Resident | undefined {
    return this.#residents.get(connectionId);
  }

  record(connectionId: string): ConnectionRecord | undefined {
    const resident = this.#residents.get(connectionId);
    if (!resident) return undefined;
    const { userId, attributes, since } = resident.connection;
    return {
      connectionId,
      hub: resident.hub,
      ...(userId === undefined ? {} : { userId }),
      attributes,
      groups: [...resident.groups],
      since,
    };
  }

  /** The residents of one hub: an id of another hub names nobody. */
  of(hub: string): Population<Resident> {
    return {
      members: (topic) => this.members(topic),
      connection: (id) => {
        const resident = this.#residents.get(id);
        return resident?.hub === hub ? resident : undefined;
      },
    };
  }

  /** Called for every change, before anybody who awaits it goes on. */
  onChange(watcher: (change: RosterChange) => void): void {
    this.#watchers.add(watcher);
  }

  /** Resolves when every node reaches the connection through these topics, and every query shows it. */
  async enter(connection: Connection, hub: string, topics: readonly Topic[]): Promise<void> {
    const resident = { connection, hub, groups: new Set<string>(), topics: new Set(topics) };
    this.#residents.set(connection.id, resident);
    const heard = topics.map((topic) => this.#add(topic, resident));
    await this.#changed(resident, { topics, connections: [connection.id] });
    await Promise.all(heard);
  }

  async leave(connectionId: string): Promise<void> {
    const resident = this.#residents.get(connectionId);
    if (!resident) return;
    this.#residents.delete(connectionId);
    for (const topic of resident.topics) this.#remove(topic, connectionId);
    await this.#changed(resident, { topics: [...resident.topics], connections: [connectionId] });
  }

  /** Resolves like {@link enter}, also where it is a member already: the first join may still be on its way. */
  async joinGroup(connectionId: string, group: string): Promise<void> {
    const resident = this.#residents.get(connectionId);
    if (!resident) return;
    const topic = groupTopic(resident.hub, group);
    if (resident.topics.has(topic)) return this.settled(topic);
    resident.groups.add(group);
    await this.#move(resident, [topic], []);
  }

  /** Resolves when no node reaches the connection through the group any more, and no query shows it there. */
  async leaveGroup(connectionId: string, group: string): Promise<void> {
    const resident = this.#residents.get(connectionId);
    if (!resident) return;
    const topic = groupTopic(resident.hub, group);
    if (!resident.groups.delete(group)) return this.settled(topic);
    await this.#move(resident, [], [topic]);
  }

  /** Nothing changes, but what changed before may still be on its way: resolves when that is in effect. */
  async settled(topic?: Topic): Promise<void> {
    await this.#directory().changed({ topics: topic === undefined ? [] : [topic], connections: [] });
    if (topic !== undefined) await this.#subscriptions.ready(topic);
  }

  /** The connection's attributes are others: it leaves and joins the topics of the indexed ones. */
  async move(connectionId: string, joined: readonly Topic[], left: readonly Topic[]): Promise<void> {
    const resident = this.#residents.get(connectionId);
    if (resident) await this.#move(resident, joined, left);
  }

  async #move(resident: MutableResident, joined: readonly Topic[], left: readonly Topic[]): Promise<void> {
    for (const topic of left) {
      resident.topics.delete(topic);
      this.#remove(topic, resident.connection.id);
    }
    for (const topic of joined) resident.topics.add(topic);
    const heard = joined.map((topic) => this.#add(topic, resident));
    const touched = [...resident.topics].filter((topic) => !joined.includes(topic));
    await this.#changed(resident, { topics: [...joined, ...left], connections: [resident.connection.id], touched });
    await Promise.all(heard);
  }

  #changed({ connection, hub }: Resident, change: Change): Promise<Flush> {
    const flush = this.#directory().changed(change);
    const topics = [...change.topics, ...(change.touched ?? [])];
    for (const watcher of this.#watchers) watcher({ connectionId: connection.id, hub, topics, flush });
    return flush;
  }

  #add(topic: Topic, resident: Resident): Promise<void> {
    let members = this.#topics.get(topic);
    if (!members) this.#topics.set(topic, (members = new Map<string, Resident>()));
    members.set(resident.connection.id, resident);
    return this.#subscriptions.want(topic);
  }

  #remove(topic: Topic, connectionId: string): void {
    const members = this.#topics.get(topic);
    if (!members?.delete(connectionId)) return;
    if (members.size === 0) this.#topics.delete(topic);
    this.#subscriptions.unwant(topic);
  }
}
