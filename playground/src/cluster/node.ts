import { randomUUID } from 'node:crypto';
import {
  createHubServer,
  hubError,
  unauthorized,
  type ConnectionInfo,
  type Context,
  type Hub,
  type HubServer,
  type Origins,
} from '@hubline/server';
import type { Backplane } from '@hubline/server/backplane';
import { HUB_PATH, playground, type Attributes, type Person, type PlaygroundReceiver } from '../contract.ts';
import type { History } from './history.ts';
import { changes, ticks } from './async-iterators.ts';

export interface NodeOptions {
  readonly nodeId: string;
  /** The ids of all nodes of the cluster, running or not. */
  readonly nodeIds: readonly string[];
  readonly backplane: Backplane;
  readonly history: History;
  readonly origins: Origins;
  readonly report: (problem: string) => void;
}

const MAX_NAME = 24;
const MAX_TEXT = 500;
const SHORTEST_MS = 50;
const LONGEST_MS = 120_000;

/** Creates a node of the playground, which does not listen yet. */
export function createNode({ nodeId, nodeIds, backplane, history, origins, report }: NodeOptions): HubServer {
  const server = createHubServer({ nodeId, app: 'playground', backplane });
  server.on('error', (stage, error) => report(`${nodeId}, ${stage}: ${String(error)}`));
  server.on('backplaneDown', (cause) => report(`${nodeId}: the backplane is down. ${cause.message}`));
  server.on('backplaneUp', ({ ms }) => report(`${nodeId}: the backplane is up again, after ${ms} ms.`));
  let streams = 0;

  // The type is explicit: the methods use `hub`, so its type cannot be inferred from them.
  const hub: Hub<PlaygroundReceiver, Attributes> = server.hub(playground, {
    path: HUB_PATH,
    origins,
    attributes: { room: 'plain', companion: 'plain' },
    authenticate({ url }) {
      const name = url.searchParams.get('name')?.trim() ?? '';
      if (name === '' || name.length > MAX_NAME) throw unauthorized(`A name has 1 to ${MAX_NAME} characters.`);
      return { userId: name, attributes: { room: '', companion: url.searchParams.has('companion') } };
    },
    methods: {
      async enter(ctx, room) {
        checkText(room, MAX_NAME);
        const { room: before } = ctx.attributes;
        if (before) await ctx.groups.remove(before);
        await ctx.groups.add(room);
        await hub.attributes.set(ctx.connectionId, 'room', room);
      },

      async *history(ctx) {
        yield* await history.in(roomOf(ctx));
      },

      async say(ctx, text) {
        checkText(text, MAX_TEXT);
        const room = roomOf(ctx);
        const message = await history.add({ room, from: ctx.userId ?? '', nodeId, text });
        ctx.clients.group(room).send.said(message);
        return message;
      },

      async *ask(ctx, text, timeoutMs) {
        checkText(text, MAX_TEXT);
        checkRange(timeoutMs, 1000, LONGEST_MS);
        const room = roomOf(ctx);
        const question = { id: randomUUID(), from: ctx.userId ?? '', text, timeoutMs };
        const members = ctx.clients.group(room);
        const people: Person[] = [];
        for await (const { items } of hub.presence.connections({ group: room })) people.push(...items.map(personOf));
        yield { type: 'asked', people };
        try {
          for await (const outcome of members.with({ timeoutMs, signal: ctx.signal }).invokeAll.confirm(question)) {
            const { connectionId = '', nodeId: answeredBy = '' } = outcome;
            yield outcome.status === 'fulfilled' ?
              { type: 'answer', connectionId, nodeId: answeredBy, yes: outcome.value }
            : { type: 'failure', connectionId, nodeId: answeredBy, code: outcome.code, message: outcome.message };
          }
        } finally {
          members.send.withdrawn(question.id);
        }
      },

      async *metrics(ctx, everyMs) {
        checkRange(everyMs, SHORTEST_MS, LONGEST_MS);
        let tick = 0;
        streams++;
        try {
          for await (const lateMs of ticks(everyMs, ctx.signal)) {
            yield { nodeId, tick: ++tick, at: Date.now(), lateMs, connections: server.health().connections, streams };
          }
        } finally {
          streams--;
          ctx.clients.caller.send.metricsEnded({ sent: tick, cancelled: ctx.signal.aborted });
        }
      },

      async *people(ctx) {
        for await (const event of hub.presence.watch({ all: true }, { signal: ctx.signal })) {
          if (event.type === 'snapshot') yield { type: 'snapshot', people: event.items.map(personOf) };
          else if (event.type === 'leave') yield { type: 'leave', person: personOf(event.connection), reason: event.reason };
          else yield { type: event.type, person: personOf(event.connection) };
        }
      },

      async *nodes(ctx) {
        const events = (changed: () => void): (() => void) => {
          const names = ['nodeJoined', 'nodeLost', 'backplaneDown', 'backplaneUp'] as const;
          const undos = names.map((name) => server.on(name, changed));
          return () => undos.forEach((undo) => undo());
        };
        for await (const _ of changes(events, ctx.signal)) {
          const live = new Map((await server.nodes()).items.map((node) => [node.nodeId, node]));
          const absent = server.health().backplane === 'up' ? 'stopped' : 'unreachable';
          yield nodeIds.map((id) => {
            const node = live.get(id);
            return node ? { nodeId: id, state: 'serving', startedAt: node.startedAt } : { nodeId: id, state: absent };
          });
        }
      },
    },
  });
  return server;
}

const personOf = ({ connectionId, userId = '', attributes, nodeId }: ConnectionInfo<Attributes>): Person => ({
  connectionId,
  name: userId,
  room: attributes.room ?? '',
  nodeId,
  companion: attributes.companion ?? false,
});

function roomOf({ attributes }: Context<PlaygroundReceiver, Attributes>): string {
  if (!attributes.room) throw hubError('Enter a room first.');
  return attributes.room;
}

/** Checks at run time: clients may send any value. */
function checkText(text: unknown, most: number): void {
  if (typeof text !== 'string' || text.trim() === '' || text.length > most) throw hubError(`A text of 1 to ${most} characters, please.`);
}

function checkRange(ms: unknown, least: number, most: number): void {
  if (typeof ms !== 'number' || !(ms >= least && ms <= most)) throw hubError(`Between ${least} and ${most} ms, please.`);
}
