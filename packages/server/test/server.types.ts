/**
 * The types that users of the server get, and code that must not compile. `tsc` checks this file: a missing expected error is
 * an error.
 */
import type { Equal, IsAny } from '@hubline/protocol';
import { defineHub } from '@hubline/protocol';
import {
  createHubServer,
  type AffinityOptions,
  type DrainOptions,
  type HubOptions,
  type HubServerOptions,
  type TargetOptions,
  type ClusterItems,
  type ClusterValue,
  type ConnectionInfo,
  type Context,
  type EndReason,
  type Hub,
  type HubOf,
  type Outcome,
  type Page,
  type PresenceEvent,
  type RejectionCode,
  type Sent,
  type UserInfo,
} from '@hubline/server';
import * as v from 'valibot';
import { z } from 'zod';

const expectType = <_T extends true>(): void => {};
/** Compares types. `any` equals no type, also inside another one. */
const exactly = <T>() => ({
  is: <U>(
    _value: U,
    ..._no: Equal<T, U> extends true ?
      IsAny<U> extends true ?
        [never]
      : []
    : [never]
  ) => {},
});

interface Message {
  readonly text: string;
  readonly likes: number;
}
interface Chat {
  join(room: string): Promise<readonly string[]>;
  say(room: string, message: Message): Promise<{ id: string }>;
  leave(): Promise<void>;
  history(room: string): AsyncIterable<Message>;
  import(room: string, lines: AsyncIterable<Message>): Promise<number>;
  mode(mode: 'fast' | 'slow'): Promise<'fast' | 'slow'>;
}
interface Receiver {
  said(message: Message, loud?: boolean): void;
  confirm(question: string): Promise<'yes' | 'no'>;
  ping(): Promise<null>;
}
interface Marks {
  role: 'admin' | 'connection';
  level: number;
}
const chat = defineHub<Chat, Receiver, Marks>('chat', { history: 'stream', import: { uploads: 1 } });
const server = createHubServer();

const methods = {
  async join() {
    return [];
  },
  async say() {
    return { id: '1' };
  },
  async leave() {},
  async *history(): AsyncIterable<Message> {
    yield { text: '', likes: 0 };
  },
  async import() {
    return 0;
  },
  async mode(_ctx: unknown, mode: 'fast' | 'slow') {
    return mode;
  },
};

// The types that methods, hooks and checks get.
const hub = server.hub(chat, {
  path: '/chat',
  attributes: { role: 'indexed' },
  authenticate: async ({ token, url, headers, remoteAddress }) => {
    exactly<string | undefined>().is(token);
    exactly<URL>().is(url);
    exactly<string | string[] | undefined>().is(headers['x-name']);
    exactly<string | undefined>().is(remoteAddress);
    return { userId: 'alice', attributes: { role: 'admin' } };
  },
  connected(ctx) {
    exactly<Context<Receiver, Marks>>().is(ctx);
  },
  disconnected(ctx, reason) {
    exactly<string | undefined>().is(ctx.userId);
    exactly<EndReason>().is(reason.code);
    if (reason.code === 'disconnected') exactly<string | undefined>().is(reason.error.details.reason);
  },
  authorize: {
    join(ctx, room) {
      exactly<Context<Receiver, Marks>>().is(ctx);
      exactly<string>().is(room);
      return true;
    },
    import(_ctx, ...args) {
      exactly<[room: string]>().is(args);
      return true;
    },
  },
  use: [
    async (ctx, call, next) => {
      exactly<Context<Receiver, Marks>>().is(ctx);
      exactly<{ readonly method: string; readonly args: readonly unknown[] }>().is(call);
      exactly<Promise<unknown>>().is(next());
      return next();
    },
  ],
  methods: {
    async join(ctx, room) {
      exactly<Context<Receiver, Marks>>().is(ctx);
      exactly<string>().is(room);
      exactly<Readonly<Partial<Marks>>>().is(ctx.attributes);
      exactly<Map<unknown, unknown>>().is(ctx.items);
      exactly<AbortSignal>().is(ctx.signal);
      await ctx.groups.add(room);
      exactly<Sent>().is(ctx.clients.othersInGroup(room).send.said({ text: '', likes: 1 }));
      exactly<Promise<'yes' | 'no'>>().is(ctx.clients.caller.invoke.confirm('?'));
      // @ts-expect-error `others` may be many connections
      void ctx.clients.others.invoke;
      return [room];
    },
    async say(_ctx, room, message) {
      exactly<string>().is(room);
      exactly<Message>().is(message);
      return { id: message.text };
    },
    async leave() {},
    async *history(_ctx, room) {
      exactly<string>().is(room);
      yield { text: room, likes: 1 };
    },
    async import(_ctx, _room, lines) {
      exactly<AsyncIterable<Message>>().is(lines);
      return 1;
    },
    async mode(_ctx, mode) {
      exactly<'fast' | 'slow'>().is(mode);
      return 'fast'; // a literal stays one
    },
  },
});
exactly<Hub<Receiver, Marks>>().is(hub);
exactly<HubOf<typeof chat>>().is(hub);
exactly<Hub<Receiver, Marks>>().is(server.hub(chat));
exactly<Promise<ClusterValue<number>>>().is(hub.disconnect({ user: 'bob' }, { code: 'banned', message: undefined, allowReconnect: true }));
// @ts-expect-error the option is `code`
void hub.disconnect({ user: 'bob' }, { reason: 'banned' });

// The methods of a hub are all methods of the contract.
server.hub(chat, { path: '/1', methods });
// @ts-expect-error a method is missing
server.hub(chat, { path: '/2', methods: { join: methods.join } });
// @ts-expect-error a result of another type
server.hub(chat, { path: '/3', methods: { ...methods, join: async () => [1] } });
// @ts-expect-error a property is missing
server.hub(chat, { path: '/4', methods: { ...methods, say: async () => ({}) } });
// @ts-expect-error not a promise
server.hub(chat, { path: '/5', methods: { ...methods, join: () => [] } });
// @ts-expect-error the result is no stream
server.hub(chat, { path: '/6', methods: { ...methods, history: async () => [] } });
// @ts-expect-error a stream of something else
server.hub(chat, { path: '/7', methods: { ...methods, history: async function* () { yield 1; } } }); // prettier-ignore
// @ts-expect-error a parameter of another type
server.hub(chat, { path: '/8', methods: { ...methods, join: async (_ctx: unknown, _room: number) => [] } });
// @ts-expect-error another literal
server.hub(chat, { path: '/9', methods: { ...methods, mode: async () => 'other' as const } });

// Attributes.
// @ts-expect-error the contract has no such attribute
server.hub(chat, { path: '/1', attributes: { rloe: 'indexed' }, methods });
// @ts-expect-error either indexed or plain
server.hub(chat, { path: '/1', attributes: { role: 'sorted' }, methods });
// @ts-expect-error a value that the contract does not allow
server.hub(chat, { path: '/1', attributes: { role: 'plain' }, authenticate: () => ({ attributes: { role: 'king' } }), methods });
// @ts-expect-error a value of another type
server.hub(chat, { path: '/1', authenticate: async () => ({ attributes: { level: '1' } }), methods });
// @ts-expect-error a user id is a string
server.hub(chat, { path: '/1', authenticate: () => ({ userId: 1 }), methods });
hub.clients.where({ role: 'admin', level: 1 });
// @ts-expect-error no such attribute
hub.clients.where({ rloe: 'admin' });
// @ts-expect-error no such value
hub.clients.where({ role: 'king' });
// @ts-expect-error no such attribute, deep in a filter
void hub.presence.count({ anyOf: [{ all: true }, { where: { rloe: 'admin' } }] });
// @ts-expect-error no filter
void hub.presence.count({ everybody: true });
exactly<Promise<void>>().is(hub.attributes.set('id', 'role', 'connection'));
// @ts-expect-error no such attribute
void hub.attributes.set('id', 'rloe', 'connection');
// @ts-expect-error the value of another attribute
void hub.attributes.set('id', 'role', 1);

// Targets: `send` has events, `invoke…` has results, `invoke` is for one.
const { all } = hub.clients;
expectType<Equal<keyof typeof all.send, 'said'>>();
expectType<Equal<keyof typeof all.invokeAll, 'confirm' | 'ping'>>();
expectType<Equal<keyof typeof all.invokeOne, 'confirm' | 'ping'>>();
exactly<Sent>().is(all.send.said({ text: '', likes: 1 }, true));
exactly<Promise<void>>().is(all.send.said({ text: '', likes: 1 }).confirmed);
exactly<Promise<'yes' | 'no'>>().is(all.invokeOne.confirm('?'));
exactly<Promise<'yes' | 'no'>>().is(hub.clients.connection('id').with({ timeoutMs: 1 }).except('x').invoke.confirm('?'));
// @ts-expect-error an event has no result
void all.invokeAll.said;
// @ts-expect-error a method with a result is not sent
void all.send.confirm;
// @ts-expect-error `invoke` is for one connection
void all.invoke;
// @ts-expect-error a user may have many connections
void hub.clients.user('u').invoke;
// @ts-expect-error an argument of another type
all.send.said('text');
// @ts-expect-error a property is missing
all.send.said({ text: '' });
// @ts-expect-error no such event
void all.send.siad;
// @ts-expect-error `anyOf` takes at least one target
hub.clients.anyOf();
// @ts-expect-error a hub has no caller outside a call
void hub.clients.caller;

export async function outcomes(): Promise<void> {
  const settled = await all.invokeAll.confirm('?');
  exactly<ClusterItems<Outcome<'yes' | 'no'>>>().is(settled);
  for await (const outcome of all.with({ timeoutMs: 1 }).invokeAll.ping()) {
    exactly<string | undefined>().is(outcome.nodeId);
    if (outcome.status === 'fulfilled') exactly<null>().is(outcome.value);
    else if (outcome.code === 'absent') exactly<string>().is(outcome.userId);
    else exactly<RejectionCode>().is(outcome.code);
  }
}

export async function presence(): Promise<void> {
  exactly<Page<ConnectionInfo<Marks>>>().is(await hub.presence.connections());
  const { items } = await hub.presence.connections({ group: 'g' }, { select: ['attributes', 'connectedAt'] });
  const [info] = items;
  if (info) {
    expectType<Equal<keyof typeof info, 'attributes' | 'connectedAt' | 'connectionId'>>();
    exactly<Partial<Marks>>().is(info.attributes);
    exactly<string>().is(info.connectionId);
  }
  // @ts-expect-error no such field
  void hub.presence.connections({ all: true }, { select: ['secret'] });
  for await (const { items: users } of hub.presence.users()) {
    exactly<readonly UserInfo[]>().is(users);
  }
  exactly<boolean>().is(await hub.presence.isOnline('u'));
  exactly<number>().is((await hub.presence.count()).value);
  exactly<readonly string[]>().is(await hub.presence.groupsOf('id'));
  for await (const event of hub.presence.watch()) {
    exactly<PresenceEvent<Marks>>().is(event);
    if (event.type === 'snapshot') exactly<readonly ConnectionInfo<Marks>[]>().is(event.items);
    else if (event.type === 'leave') exactly<'ended' | 'changed' | 'node_lost'>().is(event.reason);
    // @ts-expect-error only `leave` has a reason
    else void event.reason;
  }
}

// A schema checks the arguments of clients, and the method gets its output.
const message = z.object({ text: z.string(), likes: z.number() });
server.hub(chat, {
  path: '/5',
  args: {
    join: z.tuple([z.string().transform((text) => text.length)]),
    say: z.tuple([z.string(), message.extend({ likes: z.number().default(0) })]),
    import: v.tuple([v.pipe(v.string(), v.toLowerCase())]),
  },
  methods: {
    ...methods,
    async join(_ctx, room) {
      exactly<number>().is(room);
      return [];
    },
    async say(_ctx, room, { likes }) {
      exactly<string>().is(room);
      exactly<number>().is(likes);
      return { id: '1' };
    },
    async import(_ctx, room, lines) {
      exactly<string>().is(room);
      exactly<AsyncIterable<Message>>().is(lines);
      return 1;
    },
    async mode(_ctx, mode) {
      exactly<'fast' | 'slow'>().is(mode);
      return mode;
    },
  },
});
// @ts-expect-error a schema that refuses what the contract allows
server.hub(chat, { path: '/6', args: { join: z.tuple([z.number()]) }, methods });
// @ts-expect-error a schema that refuses a part of what the contract allows
server.hub(chat, { path: '/7', args: { mode: z.tuple([z.literal('fast')]) }, methods });
// @ts-expect-error there is no such method
server.hub(chat, { path: '/8', args: { siad: z.tuple([z.string()]) }, methods });
// @ts-expect-error the method does not take the output of the schema
server.hub(chat, { path: '/9', args: { join: z.tuple([z.string().transform(Number)]) }, methods: { ...methods, join: async (_ctx: unknown, _room: string) => [] } }); // prettier-ignore

// A contract without a receiver has no events.
interface Plain {
  ping(): Promise<void>;
}
const plain = server.hub(defineHub<Plain>('plain'), { path: '/plain', methods: { async ping() {} } });
// @ts-expect-error no events
void plain.clients.all.send.said;

// A contract without attributes takes none.
// @ts-expect-error the contract declares no attribute
plain.clients.where({ role: 'admin' });
// @ts-expect-error nor in a filter
void plain.presence.count({ anyOf: [{ where: { role: 'admin' } }] });
// @ts-expect-error nor in the options of a hub
server.hub(defineHub<Plain>('p1'), { path: '/p1', attributes: { role: 'indexed' }, methods: { async ping() {} } });
// @ts-expect-error nor from authenticate
server.hub(defineHub<Plain>('p2'), { path: '/p2', authenticate: () => ({ attributes: { role: 'a' } }), methods: { async ping() {} } });
server.hub(defineHub<Plain>('p3'), { path: '/p3', authenticate: () => ({ userId: 'a', attributes: {} }), methods: { async ping() {} } });
server.hub(defineHub<Plain>('p4'), {
  path: '/p4',
  // @ts-expect-error nor in a context
  authorize: { ping: (ctx) => ctx.attributes.role !== 'muted' },
  methods: { async ping() {} },
});
server.hub(chat, { path: '/p5', authorize: { join: (ctx) => ctx.attributes.role !== 'admin' }, methods });

// A method with a declared result type may use its own hub.
const own = server.hub(defineHub<{ count(): Promise<number> }>('own'), {
  path: '/own',
  methods: {
    async count(): Promise<number> {
      return (await own.presence.count()).value;
    },
  },
});

// Options may be undefined under `exactOptionalPropertyTypes`, as values from the environment are.
type Unset<T> = { readonly [K in keyof T]-?: undefined };
const unset = <T>(): Unset<T> => ({}) as never;
void createHubServer({ nodeId: process.env.NODE_ID, limits: { maxGroups: undefined }, timeouts: { callMs: undefined } });
const plainServer = createHubServer(unset<HubServerOptions>());
createHubServer({ timeouts: unset<NonNullable<HubServerOptions['timeouts']>>(), affinity: unset<AffinityOptions>() });
const optional: Partial<HubOptions<Chat, Receiver, Marks, Record<never, never>>> = {
  ...unset<Omit<HubOptions<Chat, Receiver, Marks, Record<never, never>>, 'path' | 'methods'>>(),
  authorize: { say: undefined },
};
void optional;
const plainHub = plainServer.hub(chat);
plainHub.clients.all.with(unset<TargetOptions>());
plainHub.clients.where({ role: 'admin' }).with({ timeoutMs: undefined, signal: undefined });
void plainHub.presence.connections({ all: true, except: undefined }, { limit: undefined, cursor: undefined, select: undefined });
void plainHub.presence.watchUsers({ all: true }, { graceMs: undefined, signal: undefined });
void plainServer.drain({ spreadMs: undefined, graceMs: undefined });
void plainServer.close(unset<Pick<DrainOptions, 'graceMs'>>());
