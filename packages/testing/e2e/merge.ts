import type { HistoryEvent } from '@hubline/testing/history';
import type { PageEvent } from '@hubline/testing/playwright';

/** An event that the test recorded. */
export interface Recorded {
  readonly event: HistoryEvent;
  /** The connection on which the server carried out the call; unknown if the call failed. */
  readonly connectionId?: string | undefined;
}

export interface Sources {
  readonly recorded: readonly Recorded[];
  /** The events of each page, by the name of the peer. */
  readonly pages: ReadonlyMap<string, readonly PageEvent[]>;
  /** The gaps that the nodes printed. */
  readonly gaps: readonly HistoryEvent[];
}

/** One connection of a page. */
export interface PageConnection {
  readonly peer: string;
  readonly connectionId: string;
  readonly node: string;
  /** The number of the connection of this peer, from 1. */
  readonly number: number;
  readonly fromMs: number;
  /** Infinity if it is open. */
  readonly toMs: number;
}

/** How long after the end of a call a page may notice that its connection had ended before, in milliseconds. */
const NOTICE_MS = 1000;

/**
 * Merges what the test, the pages and the nodes observed into one history, by time.
 *
 * - Of two observations in the same millisecond, that of the test is first: it records a send before it, and a join after it. So no
 *   message is due to a connection that began in the millisecond of its send.
 * - A join counts for the connection on which the server carried it out.
 * - A sender is one connection of a page. Messages of a failed call have a sender of their own, and the nodes that are killed end theirs.
 * - A call needs an outcome for each connection that was open from before the call until {@link NOTICE_MS} after it.
 */
export function merge({ recorded, pages, gaps }: Sources): readonly HistoryEvent[] {
  const connections = connectionsOf(pages);
  const byId = new Map(connections.map((connection) => [connection.connectionId, connection]));
  const nameOf = ({ peer, number }: PageConnection): string => `${peer}#${number}`;
  const settledAt = new Map(recorded.flatMap(({ event }) => (event.type === 'settled' ? [[event.call, event.atMs] as const] : [])));
  const current = new Map<string, string>();
  /** Outcomes are of connections, so the checker needs their nodes. */
  const needsConnections = recorded.some(({ event }) => event.type === 'outcome');

  const ofTest = ({ event, connectionId }: Recorded): readonly HistoryEvent[] => {
    const connection = byId.get(connectionId ?? '');
    switch (event.type) {
      case 'joined':
        return current.get(event.by) === connectionId ? [event] : [];
      case 'sent':
        return [{ ...event, by: connection ? nameOf(connection) : `${event.by} (${event.message})` }];
      case 'ended':
        return [
          event,
          ...connections
            .filter(({ node, fromMs }) => node === event.by && fromMs <= event.atMs)
            .map((each): HistoryEvent => ({ ...event, by: nameOf(each) })),
        ];
      case 'called': {
        if (!event.clients) return [event];
        const endMs = settledAt.get(event.call) ?? Infinity;
        const open = connections.filter(({ fromMs, toMs }) => fromMs < event.atMs && toMs > endMs + NOTICE_MS);
        const isNamed = (connection: PageConnection): boolean =>
          event.clients?.includes('*') === true || event.clients?.includes(connection.connectionId) === true;
        return [{ ...event, clients: open.filter(isNamed).map(nameOf) }];
      }
      case 'outcome': {
        const client = byId.get(event.client);
        return [{ ...event, client: client ? nameOf(client) : event.client }];
      }
      default:
        return [event];
    }
  };

  const ofPage = (peer: string, { atMs, name, args }: PageEvent): readonly HistoryEvent[] => {
    if (name !== 'state') {
      return typeof args[0] === 'string' ? [{ atMs, type: 'received', by: peer, message: args[0] }] : [];
    }
    const [state, id] = args as readonly [string, string | undefined];
    const before = current.get(peer);
    current.delete(peer);
    const connection = byId.get(id ?? '');
    if (state === 'connected' && connection) {
      current.set(peer, connection.connectionId);
      const { node } = connection;
      return [
        { atMs, type: 'connected', by: peer, node },
        ...(needsConnections ? [{ atMs, type: 'connected' as const, by: nameOf(connection), node }] : []),
        { atMs, type: 'joined', by: peer, topic: 'all' },
      ];
    }
    return before === undefined ? [] : [{ atMs, type: 'disconnected', by: peer }];
  };

  const queues: readonly (readonly { readonly atMs: number; readonly events: () => readonly HistoryEvent[] }[])[] = [
    recorded.map((each) => ({ atMs: each.event.atMs, events: () => ofTest(each) })),
    ...[...pages].map(([peer, events]) => events.map((event) => ({ atMs: event.atMs, events: () => ofPage(peer, event) }))),
    gaps.map((event) => ({ atMs: event.atMs, events: () => [event] })),
  ];
  const positions = queues.map(() => 0);
  const merged: HistoryEvent[] = [];
  for (;;) {
    let next: number | undefined;
    queues.forEach((queue, at) => {
      const atMs = queue[positions[at] ?? 0]?.atMs;
      if (atMs !== undefined && (next === undefined || atMs < (queues[next]?.[positions[next] ?? 0]?.atMs ?? Infinity))) next = at;
    });
    if (next === undefined) return merged;
    const position = positions[next] ?? 0;
    positions[next] = position + 1;
    merged.push(...(queues[next]?.[position]?.events() ?? []));
  }
}

/** Returns the connections of the pages. A connection of a page that was loaded again ends when the new page connects. */
export function connectionsOf(pages: Sources['pages']): readonly PageConnection[] {
  const all: PageConnection[] = [];
  for (const [peer, events] of pages) {
    const states = events.filter(({ name }) => name === 'state');
    let number = 0;
    states.forEach(({ atMs, args }, at) => {
      const [state, connectionId, node] = args as readonly [string, string | undefined, string | undefined];
      if (state !== 'connected') return;
      if (connectionId === undefined || node === undefined) throw new Error(`The server named no connection or no node to ${peer}.`);
      all.push({ peer, connectionId, node, number: ++number, fromMs: atMs, toMs: states[at + 1]?.atMs ?? Infinity });
    });
  }
  return all;
}

/** Reads the gaps in the output of a node. */
export function gapsIn(log: string, node: string): readonly HistoryEvent[] {
  return log.split('\n').flatMap((line): readonly HistoryEvent[] => {
    if (!line.startsWith('{"gap"')) return [];
    const { gap, atMs } = JSON.parse(line) as { readonly gap: { readonly lost?: number }; readonly atMs: number };
    return [{ atMs, type: 'gap', node, ...(gap.lost === undefined ? {} : { lost: gap.lost }) }];
  });
}
