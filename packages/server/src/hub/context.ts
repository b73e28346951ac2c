import type { Connection, IncomingCall } from '../connection/index.ts';
import type { CallerClients, Context, Hub } from './types.ts';

/** What all calls of one connection share. */
export interface Scope<R, A> {
  readonly connection: Connection;
  readonly items: Map<unknown, unknown>;
  readonly groups: Context<R, A>['groups'];
  readonly clients: CallerClients<R, A>;
  readonly hub: Hub<R, A>;
  /** Aborts when the connection ends. */
  readonly over: AbortController;
  /** What `connected` is doing. */
  opened: Promise<void>;
}

/** What one call sees. Made for every call, so it only points. */
export class CallContext<R, A> implements Context<R, A> {
  readonly #scope: Scope<R, A>;
  readonly #call: IncomingCall | undefined;

  /** Without a call: for `connected`, `disconnected`. */
  constructor(scope: Scope<R, A>, call?: IncomingCall) {
    this.#scope = scope;
    this.#call = call;
  }

  get connectionId(): string {
    return this.#scope.connection.id;
  }
  get userId(): string | undefined {
    return this.#scope.connection.userId;
  }
  get attributes(): Readonly<Partial<A>> {
    return this.#scope.connection.attributes as Partial<A>; // the hub checked them when they were set
  }
  get items(): Map<unknown, unknown> {
    return this.#scope.items;
  }
  get signal(): AbortSignal {
    return (this.#call ?? this.#scope.over).signal;
  }
  get request(): Context<R, A>['request'] {
    return this.#scope.connection.request;
  }
  get transport(): string {
    return this.#scope.connection.transportName;
  }
  get groups(): Context<R, A>['groups'] {
    return this.#scope.groups;
  }
  get clients(): CallerClients<R, A> {
    return this.#scope.clients;
  }
  get hub(): Hub<R, A> {
    return this.#scope.hub;
  }
}
