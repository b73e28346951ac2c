import { eventsOf, type HistoryEvent } from './observation.ts';

/** The time in which one connection was a member of a topic. Positions are indices in the history. */
export interface Membership {
  readonly client: string;
  readonly topic: string;
  /** The node of the connection; undefined if the history does not say. */
  readonly node: string | undefined;
  /** The number of the client's connection. */
  readonly connection: number;
  readonly from: number;
  /** Infinity if the connection is a member at the end of the history. */
  readonly to: number;
}

interface Client {
  node: string | undefined;
  connection: number;
  /** By topic, the position of the join. */
  readonly joined: Map<string, number>;
}

/** The open connections and their memberships at each position of a history. */
export class Memberships {
  readonly all: readonly Membership[];
  /** By client, the positions at which a connection began. */
  readonly #begins = new Map<string, number[]>();
  /** By client, the nodes of its connections in order. */
  readonly #nodes = new Map<string, string[]>();

  constructor(events: readonly HistoryEvent[]) {
    const all: Membership[] = [];
    const clients = new Map<string, Client>();
    const find = (name: string): Client => {
      let client = clients.get(name);
      if (!client) clients.set(name, (client = { node: undefined, connection: 0, joined: new Map() }));
      return client;
    };
    const end = (name: string, to: number, topic?: string): void => {
      const { joined, node, connection } = find(name);
      for (const [each, from] of joined) {
        if (topic !== undefined && each !== topic) continue;
        all.push({ client: name, topic: each, node, connection, from, to });
        joined.delete(each);
      }
    };
    events.forEach((event, at) => {
      if (event.type === 'connected') {
        end(event.by, at);
        const client = find(event.by);
        client.connection++;
        client.node = event.node;
        this.#begins.set(event.by, [...(this.#begins.get(event.by) ?? []), at]);
        this.#nodes.set(event.by, [...(this.#nodes.get(event.by) ?? []), event.node]);
      } else if (event.type === 'disconnected') end(event.by, at);
      else if (event.type === 'left') end(event.by, at, event.topic);
      else if (event.type === 'joined') {
        const { joined } = find(event.by);
        if (!joined.has(event.topic)) joined.set(event.topic, at);
      }
    });
    for (const name of clients.keys()) end(name, Infinity);
    this.all = all;
  }

  /** The names of the members at a position, sorted. Infinity is the end of the history. */
  at(topic: string, position: number): readonly string[] {
    return this.all
      .filter((each) => each.topic === topic && each.from < position && (each.to === Infinity || position < each.to))
      .map(({ client }) => client)
      .sort();
  }

  /** The number of the client's connection at a position; 0 before the first one. */
  connectionAt(client: string, position: number): number {
    return (this.#begins.get(client) ?? []).filter((begin) => begin <= position).length;
  }

  /** The nodes that a client was ever connected to. */
  nodesOf(client: string): readonly string[] {
    return this.#nodes.get(client) ?? [];
  }
}

/** The positions at which a topic, or the connection of one of its members, changed. */
export function changesOf(topic: string, events: readonly HistoryEvent[]): readonly number[] {
  const members = new Set(eventsOf(events, 'joined').flatMap(({ event }) => (event.topic === topic ? [event.by] : [])));
  return events.flatMap((event, at) => {
    const isChange =
      ((event.type === 'joined' || event.type === 'left') && event.topic === topic) ||
      (event.type === 'disconnected' && members.has(event.by));
    return isChange ? [at] : [];
  });
}
