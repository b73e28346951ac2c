import type { ConnectionInfo, Filter, PresenceEvent, UserPresenceEvent } from '@hubline/server';
import type { Marks, Node } from './three-nodes.ts';

/** Reads a watch to its end, and keeps who is there by what it told. */
export class Follower {
  /** One line an event: `snapshot`, `join <id>`, `update <id>`, `leave <id> <reason>`. */
  readonly log: string[] = [];
  readonly present = new Map<string, ConnectionInfo<Marks>>();
  /** What a correct watch never does: a join of who is there, an update or leave of who is not, a leave from another node. */
  readonly wrong: string[] = [];
  readonly ended: Promise<void>;

  constructor(watch: AsyncIterable<PresenceEvent<Marks>>) {
    this.ended = this.#read(watch);
  }

  get ids(): readonly string[] {
    return [...this.present.keys()].sort();
  }

  async #read(watch: AsyncIterable<PresenceEvent<Marks>>): Promise<void> {
    for await (const event of watch) this.#take(event);
  }

  #take(event: PresenceEvent<Marks>): void {
    if (event.type === 'snapshot') {
      if (this.log.length > 0) this.wrong.push('a late snapshot');
      this.log.push('snapshot');
      for (const each of event.items) this.present.set(each.connectionId, each);
      return;
    }
    const { type, connection } = event;
    const { connectionId } = connection;
    const line = `${type} ${connectionId}${event.type === 'leave' ? ` ${event.reason}` : ''}`;
    this.log.push(line);
    if (this.present.has(connectionId) === (type === 'join')) this.wrong.push(line);
    if (type === 'leave' && this.present.get(connectionId)?.nodeId !== connection.nodeId) this.wrong.push(`${line} ${connection.nodeId}`);
    if (type === 'leave') this.present.delete(connectionId);
    else this.present.set(connectionId, connection);
  }
}

/** The same for users: `snapshot`, `online <user>`, `offline <user>`. */
export class UserFollower {
  readonly log: string[] = [];
  readonly online = new Set<string>();
  readonly ended: Promise<void>;

  constructor(watch: AsyncIterable<UserPresenceEvent>) {
    this.ended = this.#read(watch);
  }

  async #read(watch: AsyncIterable<UserPresenceEvent>): Promise<void> {
    for await (const event of watch) {
      this.log.push(event.type === 'snapshot' ? event.type : `${event.type} ${event.userId}`);
      if (event.type === 'snapshot') for (const user of event.items) this.online.add(user);
      else if (event.type === 'online') this.online.add(event.userId);
      else this.online.delete(event.userId);
    }
  }
}

/** Follows until the test is over. */
export function follow({ hub }: Node, filter?: Filter<Marks>): Follower & Disposable {
  const over = new AbortController();
  const follower = new Follower(hub.presence.watch(filter, { signal: over.signal }));
  return Object.assign(follower, { [Symbol.dispose]: () => over.abort() });
}
