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

/** Describes the connections that a send, a call or a query is for. `where` takes indexed attributes only, and all of them must match. */
export type Filter<A> = (
  | { readonly all: true }
  | { readonly group: string }
  | { readonly user: string }
  | { readonly connection: string }
  | { readonly where: SomeAttributes<A> }
  | { readonly allOf: readonly Filter<A>[] }
  | { readonly anyOf: readonly Filter<A>[] }
) & { readonly except?: readonly string[] | undefined };

/** A target of the hub, where only its connections matter. Options of `with` do not. */
export interface AnyTarget {
  readonly send: object;
  readonly invokeAll: object;
  readonly invokeOne: object;
}

/** Connections: a filter, which is plain data, or a target. */
export type Whom<A> = Filter<A> | AnyTarget;

/** The receiver methods K as `invokeAll` calls them. Mapped like `Calling`, so that editors find the contract. */
export type AskingAll<R, K extends keyof R> = { readonly [P in K]: (...args: Args<R[P]>) => Outcomes<Output<R[P]>> };

/** Options of a target: time limits and signals apply to its invocations, `replaces` to its events. */
export interface TargetOptions extends InvokeOptions {
  /**
   * Of events with this key, a client that does not keep up gets the latest only: what has not been written to it is replaced by
   * the next one, also where its program takes long for each event. For positions and other values of which only the last one counts. The same holds for what waits for the backplane,
   * of events to equal targets; `confirmed` of a replaced event resolves.
   */
  readonly replaces?: string | undefined;
}

/** Sends to the connections of a selector, or invokes them: `target.send.said(message)`. */
export interface Target<R> {
  /** Sends events. The result need not be awaited: the server's `lost` event reports a loss. */
  readonly send: Calling<R, EventName<R>, Sent>;
  /** Invokes every client; gives one settled outcome for each. */
  readonly invokeAll: AskingAll<R, ResultName<R>>;
  /** Invokes one client after the other until one gives a result. Rejects `no_client_responded`, `backplane_unavailable` or `cancelled`. */
  readonly invokeOne: Asking<R, ResultName<R>>;
  with(options: TargetOptions): this;
  /** The same target without these connections. */
  except(...connectionIds: readonly string[]): this;
}

/** Exactly one client. */
export interface ClientTarget<R> extends Target<R> {
  /** Rejects `client_error`, `call_timeout`, `connection_gone`, `node_lost`, `node_silent`, `backplane_unavailable` or `cancelled`. */
  readonly invoke: Target<R>['invokeOne'];
}

export interface Clients<R, A> {
  readonly all: Target<R>;
  group(name: string): Target<R>;
  user(userId: string): Target<R>;
  connection(connectionId: string): ClientTarget<R>;
  /** @throws HublineError `attribute_not_indexed`; `empty_target` for `{}` */
  where(attributes: SomeAttributes<A>): Target<R>;
  /** Connections in all of these targets or filters. */
  allOf(...all: readonly [Whom<A>, ...Whom<A>[]]): Target<R>;
  /** Connections in at least one of these targets or filters, each once. */
  anyOf(...all: readonly [Whom<A>, ...Whom<A>[]]): Target<R>;
  /** The target that a filter describes. */
  matching(whom: Whom<A>): Target<R>;
}

export interface CallerClients<R, A> extends Clients<R, A> {
  readonly caller: ClientTarget<R>;
  readonly others: Target<R>;
  othersInGroup(name: string): Target<R>;
}

/** The context of a call: its connection, its groups, the other clients and the hub. */
export interface Context<R, A> {
  readonly connectionId: string;
  readonly userId: string | undefined;
  readonly attributes: Readonly<Partial<A>>;
  /** Yours, for as long as the connection lives. */
  readonly items: Map<unknown, unknown>;
  /** Aborts when the caller cancels, and when the connection ends. */
  readonly signal: AbortSignal;
  /** The request that opened the connection, without its token, `Authorization` header and secret id. */
  readonly request: OpeningRequest;
  readonly transport: TransportName;
  readonly groups: {
    /** Awaited: sends from any node reach the connection, and queries from any node show it. */
    add(name: string): Promise<void>;
    remove(name: string): Promise<void>;
  };
  readonly clients: CallerClients<R, A>;
  /** The hub itself. A method that used the variable instead would make its type depend on itself. */
  readonly hub: Hub<R, A>;
}

/** Queries which connections and users are online, over all nodes. */
export interface Presence<A> {
  /** Connections, a page at a time; `select` names the fields wanted besides `connectionId`. */
  connections<const F extends keyof ConnectionInfo<A> = keyof ConnectionInfo<A>>(
    whom?: Whom<A>,
    options?: PageOptions<F>,
  ): Pages<Pick<ConnectionInfo<A>, F | 'connectionId'>>;
  users(options?: PageOptions): Pages<UserInfo>;
  /** @throws HublineError `backplane_unavailable` where the user was not found and not every node could be asked. */
  isOnline(userId: string): Promise<boolean>;
  /** The same of many users, in one round trip, or two where some are offline. Never rejects for want of nodes: the answer says whether it is complete. */
  isOnline(userIds: readonly string[]): Promise<ClusterValue<ReadonlySet<string>>>;
  count(whom?: Whom<A>): Promise<ClusterValue<number>>;
  /** @throws HublineError `connection_gone`, or `backplane_unavailable` where its node could not be asked. */
  groupsOf(connectionId: string): Promise<readonly string[]>;
  /** Yields a snapshot, then every change, until the loop is left or the signal aborts. */
  watch(whom?: Whom<A>, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<PresenceEvent<A>>;
  /** The same by user: the first connection joins, the last one leaves, unless one is back within `graceMs` (default 5000). */
  watchUsers(
    whom?: Whom<A>,
    options?: { readonly graceMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<UserPresenceEvent>;
}

/** A hub, for the program that hosts it: usable anywhere in the process. */
export interface Hub<R, A> {
  readonly name: string;
  readonly clients: Clients<R, A>;
  readonly presence: Presence<A>;
  /** Changes the groups of connections on any node. Awaited: in effect on every node. Rejects `connection_gone`, `node_lost`, `node_silent`, `backplane_unavailable`. */
  readonly groups: {
    add(connectionId: string, group: string): Promise<void>;
    /** Adds all connections that match the filter when their node receives the command; resolves with their number. */
    add(whom: Whom<A>, group: string): Promise<ClusterValue<number>>;
    remove(connectionId: string, group: string): Promise<void>;
    remove(whom: Whom<A>, group: string): Promise<ClusterValue<number>>;
  };
  readonly attributes: { set<K extends keyof A & string>(connectionId: string, key: K, value: A[K]): Promise<void> };
  /**
   * Ends connections, and resolves with their number. Every node acknowledges; `missingNodes` are those that did not, also where their lease ended within the last minute:
   * repeat the call when `nodeJoined` reports that such a node is back. Rejects `backplane_unavailable` where not every node was
   * reached and this one can name none of them; `local` connections were ended all the same. A string is the `message`.
   */
  disconnect(whom: Whom<A>, options?: string | DisconnectOptions): Promise<ClusterValue<number>>;
}

/** The hub of a contract: `HubOf<typeof chat>`. */
export type HubOf<C> = C extends Contract<infer _H, infer R, infer A> ? Hub<R, A> : never;

/** What clients are told whose connections the program ends. */
export interface DisconnectOptions {
  /**
   * Your own, for programs: `"expired"`, `"replaced"`, `"banned"`. 1 to 255 bytes. The client finds it in `details.reason` of the
   * error `disconnected`; clients that do not speak Hubline are not told.
   */
  readonly code?: string | undefined;
  /** For people. */
  readonly message?: string | undefined;
  /** Whether the client comes back by itself, as a new connection. Default: no. */
  readonly allowReconnect?: boolean | undefined;
}

type OutputOf<S> = S extends { readonly '~standard': { readonly types?: { readonly output: infer T } | undefined } } ? T : never;
type InputOf<S> = S extends { readonly '~standard': { readonly types?: { readonly input: infer T } | undefined } } ? T : never;
type Tuple<T> = Extract<T, readonly unknown[]>;

/** Schemas of arguments: each of the tuple of a method's plain parameters. */
export type Schemas<H> = { readonly [K in keyof H]?: StandardSchema<unknown, readonly unknown[]> };

/** Schemas of clients' results: the output has the contract's type. */
export type Results<R> = { readonly [K in ResultName<R>]?: StandardSchema<unknown, Output<R[K]>> | undefined };

/** A schema's input must accept what the contract allows. */
export type Accepts<H, S> = {
  readonly [K in keyof S]: K extends keyof H ?
    [PlainArgs<H[K]>] extends [InputOf<S[K]>] ?
      S[K]
    : 'refuses what the contract allows'
  : 'no such method';
};

/** The methods of a hub: each as the contract has it, with the context first; where there is a schema, with its output. */
export type Methods<H, C, S = Record<never, never>> = {
  readonly [K in keyof H]: H[K] extends (...args: infer P) => infer T ?
    K extends keyof S ?
      (ctx: C, ...args: [...Tuple<OutputOf<S[K]>>, ...Streams<Split<P>[1]>]) => T
    : (ctx: C, ...args: P) => T
  : never;
};

/** Decides by a method's plain arguments whether the client may call it. A refusal reads "… because user is unauthorized". */
export type Authorize<H, C, S = Record<never, never>> = {
  readonly [K in keyof H]?:
    ((ctx: C, ...args: K extends keyof S ? Tuple<OutputOf<S[K]>> : PlainArgs<H[K]>) => boolean | Promise<boolean>) | undefined;
};

/** Runs around every call, outermost first. `next()` gives the result; for a stream, what the method returned. */
export type Middleware<C> = (
  ctx: C,
  call: { readonly method: string; readonly args: readonly unknown[] },
  next: () => Promise<unknown>,
) => Promise<unknown>;
