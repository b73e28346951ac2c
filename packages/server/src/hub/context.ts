import { checkName, type TransportName } from '@hubline/protocol';
import type { Connection, IncomingCall } from '../connection/index.ts';
import { callerClients, clientsOf, type CallTurn, type TargetParts } from './clients.ts';
import type { Members } from './members.ts';
import type { Operations } from './operation.ts';
import type { CallerClients, Context, Hub } from './types.ts';

export interface ScopeParts<A> {
  readonly targets: TargetParts<A>;
  readonly members: Members;
  readonly operations: Operations;
}

/** The state that all calls of one connection share. Its parts are created on first use, since most connections are idle. */
export class ConnectionScope<R, A> {
  readonly connection: Connection;
  readonly hub: Hub<R, A>;
  /** The run of `connected`. */
  opened: Promise<void> = Promise.resolve();
  readonly #parts: ScopeParts<A>;
  #items: Map<unknown, unknown> | undefined;
  #over: AbortController | undefined;
  #reason: { readonly error: Error | undefined } | undefined;

  constructor(connection: Connection, hub: Hub<R, A>, parts: ScopeParts<A>) {
    this.connection = connection;
    this.hub = hub;
    this.#parts = parts;
  }

  get items(): Map<unknown, unknown> {
    return (this.#items ??= new Map<unknown, unknown>());
  }

  get groups(): Context<R, A>['groups'] {
    const { id } = this.connection;
    const { members, operations } = this.#parts;
    return {
      add: (name) => operations('groups.add', async () => members.joinGroup(id, checkName(name, 'group'))),
      remove: (name) => operations('groups.remove', async () => members.leaveGroup(id, checkName(name, 'group'))),
    };
  }

  /** Clients for one call, which gives up its turn before it invokes some of them. */
  clients(call: CallTurn): CallerClients<R, A> {
    return callerClients(clientsOf<R, A>({ ...this.#parts.targets, call }), this.connection.id);
  }

  /** Aborts when the connection ends. */
  get signal(): AbortSignal {
    if (!this.#over) {
      this.#over = new AbortController();
      if (this.#reason) this.#over.abort(this.#reason.error);
    }
    return this.#over.signal;
  }

  end(error: Error | undefined): void {
    this.#reason = { error };
    this.#over?.abort(error);
  }
}

/** The context of one call. Created for every call, so it holds references only. */
export class CallContext<R, A> implements Context<R, A>, CallTurn {
  readonly #scope: ConnectionScope<R, A>;
  readonly #call: IncomingCall | undefined;
  #clients: CallerClients<R, A> | undefined;

  /** Without `call` for the hooks `connected` and `disconnected`. */
  constructor(scope: ConnectionScope<R, A>, call?: IncomingCall) {
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
    return (this.#call ?? this.#scope).signal;
  }
  get request(): Context<R, A>['request'] {
    return this.#scope.connection.request;
  }
  get transport(): TransportName {
    return this.#scope.connection.transportName;
  }
  get groups(): Context<R, A>['groups'] {
    return this.#scope.groups;
  }
  get clients(): CallerClients<R, A> {
    return (this.#clients ??= this.#scope.clients(this));
  }
  get hub(): Hub<R, A> {
    return { ...this.#scope.hub, clients: this.clients };
  }

  /** Lets the next call start: an invoked client may call before it answers, and would otherwise wait for this call for ever. */
  giveUpTurn(): void {
    if (this.#call) this.#call.started();
    else this.#scope.connection.startCalls();
  }
}
