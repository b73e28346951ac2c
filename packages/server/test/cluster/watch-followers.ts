import type { ConnectionInfo, Filter, PresenceEvent, UserPresenceEvent } from '@hubline/server';
import type { Attributes, Node } from './three-nodes.ts';

/** Reads a watch to its end, and keeps the connections that it reported. */
export class Follower {
  /** The events as `snapshot`, `join <id>`, `update <id>` and `leave <id> <reason>`. */
  readonly log: string[] = [];
  readonly present = new Map<string, ConnectionInfo<Attributes>>();
  /** Events of a wrong watch: a join of a known connection, an update or leave of an unknown one, a leave from another node. */
  readonly wrong: string[] = [];
  readonly ended: Promise<void>;

  constructor(watch: AsyncIterable<PresenceEvent<Attributes>>) {
    this.ended = this.#read(watch);
  }

  get ids(): readonly string[] {
    return [...this.present.keys()].sort();
  }

  async #read(watch: AsyncIterable<PresenceEvent<Attributes>>): Promise<void> {
    for await (const event of watch) this.#take(event);
  }

  #take(event: PresenceEvent<Attributes>): void {
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

/** Reads a watch of users to its end. The log has `snapshot`, `online <user>` and `offline <user>`. */
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

/** Follows a watch until it is disposed. */
export function follow({ hub }: Node, filter?: Filter<Attributes>): Follower & Disposable {
  const over = new AbortController();
  const follower = new Follower(hub.presence.watch(filter, { signal: over.signal }));
  return Object.assign(follower, { [Symbol.dispose]: () => over.abort() });
}
