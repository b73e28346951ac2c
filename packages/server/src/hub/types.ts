import type {
  Args,
  Asking,
  Calling,
  Contract,
  EventName,
  Output,
  PlainArgs,
  ResultName,
  SomeAttributes,
  Split,
  StandardSchema,
  Streams,
  TransportName,
} from '@hubline/protocol';
import type { InvokeOptions, Outcomes } from '../invocation/index.ts';
import type { Sent } from '../membership/index.ts';
import type { ClusterValue, ConnectionInfo, PageOptions, Pages, PresenceEvent, UserInfo, UserPresenceEvent } from '../presence/index.ts';
import type { OpeningRequest } from '../transports/index.ts';

/**
 * Describes the connections of a send, a call, a change or a query, as plain data. `where` takes indexed attributes only, and all of them
 * must match. `except` lists connection ids.
 */
export type Filter<A> = (
  | { readonly all: true }
  | { readonly group: string }
  | { readonly user: string }
  | { readonly connection: string }
  | { readonly where: SomeAttributes<A> }
  | { readonly allOf: readonly Filter<A>[] }
  | { readonly anyOf: readonly Filter<A>[] }
) & { readonly except?: readonly string[] | undefined };

/** A target of the hub, used for its connections only: options of `with` have no effect. */
export interface AnyTarget {
  readonly send: object;
  readonly invokeAll: object;
  readonly invokeOne: object;
}

/** A set of connections: a filter or a target. */
export type Whom<A> = Filter<A> | AnyTarget;

/** The receiver methods K as `invokeAll` offers them. Mapped like `Calling`, so that editors find the methods in the contract. */
export type AskingAll<R, K extends keyof R> = { readonly [P in K]: (...args: Args<R[P]>) => Outcomes<Output<R[P]>> };

/** Options of a target. Time limits, `race` and the signal apply to its invocations, `replaces` to its events. */
export interface TargetOptions extends InvokeOptions {
  /**
   * A key for values of which only the latest matters, such as positions. A client that does not keep up, because its link or its program
   * is slow, gets only the latest event of each key; it may arrive after events that were sent later. While events wait for the backplane,
   * the latest one with the same target and key replaces the earlier ones, whose `confirmed` resolves. 1 to 255 bytes. Default: none.
   */
  readonly replaces?: string | undefined;
}

/** Sends events to a set of connections, and invokes their methods: `target.send.said(message)`. */
export interface Target<R> {
  /** Sends an event to every connection. The result may be ignored: the server's event `lost` reports a loss. */
  readonly send: Calling<R, EventName<R>, Sent>;
  /** Invokes every client, and returns one outcome for each. `await` gives all outcomes, `for await` gives each one as it settles. */
  readonly invokeAll: AskingAll<R, ResultName<R>>;
  /**
   * Invokes one client after the other, or all at once with `race`, until one returns a result. Rejects `no_client_responded`,
   * `backplane_unavailable` or `cancelled`.
   */
  readonly invokeOne: Asking<R, ResultName<R>>;
  /** Returns the same target with these options added. @throws HublineError `invalid_option` */
  with(options: TargetOptions): this;
  /** Returns the same target without these connections. @throws HublineError `invalid_option` for an invalid id */
  except(...connectionIds: readonly string[]): this;
}

/** A target that is one connection. */
export interface ClientTarget<R> extends Target<R> {
  /**
   * Invokes the client, and resolves with its result. Rejects `client_error`, `invalid_result`, `not_encodable`, `call_timeout`,
   * `connection_gone`, `node_lost`, `node_silent`, `backplane_unavailable` or `cancelled`.
   */
  readonly invoke: Target<R>['invokeOne'];
}

/** Creates targets. Names are well-formed strings of 1 to 255 bytes; other values throw `invalid_option`. */
export interface Clients<R, A> {
  /** All connections of the hub, on every node. */
  readonly all: Target<R>;
  /** The connections in a group. */
  group(name: string): Target<R>;
  /** The connections of a user. */
  user(userId: string): Target<R>;
  /** One connection, on any node. */
  connection(connectionId: string): ClientTarget<R>;
  /** The connections that have all of these attributes. @throws HublineError `attribute_not_indexed`; `empty_target` for `{}` */
  where(attributes: SomeAttributes<A>): Target<R>;
  /** The connections that are in all of these targets or filters. */
  allOf(...all: readonly [Whom<A>, ...Whom<A>[]]): Target<R>;
  /** The connections that are in at least one of these targets or filters, each once. */
  anyOf(...all: readonly [Whom<A>, ...Whom<A>[]]): Target<R>;
  /** The connections of a filter or a target. A filter may come from a client. @throws HublineError as `where`; `invalid_option` */
  matching(whom: Whom<A>): Target<R>;
}

/** Creates targets inside a call or a hook. */
export interface CallerClients<R, A> extends Clients<R, A> {
  /** The connection of this context. */
  readonly caller: ClientTarget<R>;
  /** All connections but the one of this context. */
  readonly others: Target<R>;
  /** The connections in a group but the one of this context. */
  othersInGroup(name: string): Target<R>;
}

/** The context of a call, or of the hooks `connected` and `disconnected`. */
export interface Context<R, A> {
  readonly connectionId: string;
  /** The user that `authenticate` returned; undefined if the client is anonymous. */
  readonly userId: string | undefined;
  /** The present attributes of the connection: those that `authenticate` returned, changed by `hub.attributes.set`. */
  readonly attributes: Readonly<Partial<A>>;
  /** Values of the application, shared by all calls of the connection until it ends. */
  readonly items: Map<unknown, unknown>;
  /** Aborts when the client cancels the call, and when the connection ends. In hooks: when the connection ends. */
  readonly signal: AbortSignal;
  /** The request that opened the connection, without its token, its `Authorization` header and the connection's secret id. */
  readonly request: OpeningRequest;
  readonly transport: TransportName;
  /** The groups of the connection. */
  readonly groups: {
    /**
     * Adds the connection to a group. When it resolves, sends to the group from any node reach the connection, and queries on any node
     * show it. Rejects `limit_exceeded` beyond `maxGroups`, or `connection_gone`.
     */
    add(name: string): Promise<void>;
    /** Removes the connection from a group. Rejects `connection_gone`. */
    remove(name: string): Promise<void>;
  };
  /** The targets of the hub. Invoking clients through it lets the next call of this connection start. */
  readonly clients: CallerClients<R, A>;
  /** The hub. Methods use this instead of the variable that holds the result of `server.hub`: its type would depend on itself. */
  readonly hub: Hub<R, A>;
}

/** Queries over all nodes: which connections and users are online. Default of each `whom`: all connections of the hub. */
export interface Presence<A> {
  /** Returns connections: `await` gives the first page, `for await` all pages. `select` names the fields besides `connectionId`. */
  connections<const F extends keyof ConnectionInfo<A> = keyof ConnectionInfo<A>>(
    whom?: Whom<A>,
    options?: PageOptions<F>,
  ): Pages<Pick<ConnectionInfo<A>, F | 'connectionId'>>;
  /** Returns the users that are online, in pages, with the number of connections of each. */
  users(options?: PageOptions): Pages<UserInfo>;
  /** Returns whether a user has a connection. Rejects `backplane_unavailable` if none was found and some nodes could not be asked. */
  isOnline(userId: string): Promise<boolean>;
  /**
   * Returns those of these users that have a connection, in one round trip, or two if some users are offline. If some nodes could not be
   * asked, `complete` is false.
   */
  isOnline(userIds: readonly string[]): Promise<ClusterValue<ReadonlySet<string>>>;
  /** Counts connections. If some nodes could not be asked, `complete` is false. */
  count(whom?: Whom<A>): Promise<ClusterValue<number>>;
  /** Returns the groups of a connection. Rejects `connection_gone`, or `backplane_unavailable` if its node could not be asked. */
  groupsOf(connectionId: string): Promise<readonly string[]>;
  /**
   * Yields a snapshot of the connections, then each change, until the loop is left or the signal aborts. Unread changes of one connection
   * are merged. A reader that falls too far behind gets another snapshot, with `resynchronised: true`.
   */
  watch(whom?: Whom<A>, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<PresenceEvent<A>>;
  /**
   * Yields a snapshot of the users that are online, then each user that goes online or offline. A user goes offline `graceMs` after its
   * last connection has ended, unless another one has begun (milliseconds; default 5000).
   */
  watchUsers(
    whom?: Whom<A>,
    options?: { readonly graceMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<UserPresenceEvent>;
}

/** A hub for the program that hosts it: sends, invokes clients, changes connections and queries presence, on all nodes. */
export interface Hub<R, A> {
  readonly name: string;
  readonly clients: Clients<R, A>;
  readonly presence: Presence<A>;
  /**
   * Changes the groups of connections on any node. A change of one connection resolves when it is in effect on every node, and rejects
   * `connection_gone`, `node_lost`, `node_silent` or `backplane_unavailable`.
   */
  readonly groups: {
    /** Adds one connection to a group. */
    add(connectionId: string, group: string): Promise<void>;
    /** Adds all connections that match when their node receives the command. Resolves with their number. */
    add(whom: Whom<A>, group: string): Promise<ClusterValue<number>>;
    /** Removes one connection from a group. */
    remove(connectionId: string, group: string): Promise<void>;
    /** Removes all connections that match when their node receives the command. Resolves with their number. */
    remove(whom: Whom<A>, group: string): Promise<ClusterValue<number>>;
  };
  /** Sets a declared attribute of a connection on any node. Resolves and rejects as `groups` does, and rejects `invalid_option`. */
  readonly attributes: { set<K extends keyof A & string>(connectionId: string, key: K, value: A[K]): Promise<void> };
  /**
   * Ends connections on all nodes, and resolves with their number. `missingNodes` are the nodes that did not acknowledge, and those whose
   * lease has expired within the last minute: repeat the call when `nodeJoined` reports such a node. Rejects `backplane_unavailable` if
   * some nodes were not reached and none of them can be named; `details.local` is then the number of connections that were ended. A
   * string instead of options is the `message`.
   */
  disconnect(whom: Whom<A>, options?: string | DisconnectOptions): Promise<ClusterValue<number>>;
}

/** The hub of a contract: `HubOf<typeof chat>`. */
export type HubOf<C> = C extends Contract<infer _H, infer R, infer A> ? Hub<R, A> : never;

/** The reason that `disconnect` gives to the clients, and whether they may reconnect. */
export interface DisconnectOptions {
  /**
   * A code of the application, such as `"expired"` or `"banned"`, of 1 to 255 bytes. A Hubline client gets it in `details.reason` of the
   * error `disconnected`; other SignalR clients do not get it. Default: none.
   */
  readonly code?: string | undefined;
  /** A text for people. Default: "The server has ended the connection." */
  readonly message?: string | undefined;
  /** Whether the client may reconnect, as a new connection. Default: false. */
  readonly allowReconnect?: boolean | undefined;
}

type OutputOf<S> = S extends { readonly '~standard': { readonly types?: { readonly output: infer T } | undefined } } ? T : never;
type InputOf<S> = S extends { readonly '~standard': { readonly types?: { readonly input: infer T } | undefined } } ? T : never;
type Tuple<T> = Extract<T, readonly unknown[]>;

/** Schemas of arguments by method, each for the tuple of the method's plain arguments. */
export type Schemas<H> = { readonly [K in keyof H]?: StandardSchema<unknown, readonly unknown[]> };

/** Schemas of clients' results by receiver method. The output of each has the contract's type. */
export type Results<R> = { readonly [K in ResultName<R>]?: StandardSchema<unknown, Output<R[K]>> | undefined };

/** Checks that the input of each schema accepts all arguments that the contract allows. */
export type Accepts<H, S> = {
  readonly [K in keyof S]: K extends keyof H ?
    [PlainArgs<H[K]>] extends [InputOf<S[K]>] ?
      S[K]
    : 'refuses what the contract allows'
  : 'no such method';
};

/** The methods of a hub. Each takes the context, then the contract's parameters; a schema's output replaces the plain ones. */
export type Methods<H, C, S = Record<never, never>> = {
  readonly [K in keyof H]: H[K] extends (...args: infer P) => infer T ?
    K extends keyof S ?
      (ctx: C, ...args: [...Tuple<OutputOf<S[K]>>, ...Streams<Split<P>[1]>]) => T
    : (ctx: C, ...args: P) => T
  : never;
};

/**
 * Functions by method. Each decides from the method's plain arguments whether the client may call it. A refused call fails with SignalR's
 * text "… because user is unauthorized".
 */
export type Authorize<H, C, S = Record<never, never>> = {
  readonly [K in keyof H]?:
    ((ctx: C, ...args: K extends keyof S ? Tuple<OutputOf<S[K]>> : PlainArgs<H[K]>) => boolean | Promise<boolean>) | undefined;
};

/** A function that runs around every call. `next()` runs the rest, and resolves with what the method returned: a result or a stream. */
export type Middleware<C> = (
  ctx: C,
  call: { readonly method: string; readonly args: readonly unknown[] },
  next: () => Promise<unknown>,
) => Promise<unknown>;
