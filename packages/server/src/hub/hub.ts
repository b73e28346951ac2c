import { isHublineError, checkKnown, checkName, invalidOption, isForCaller, type Contract, type SomeAttributes } from '@hubline/protocol';
import {
  checkConnectionId,
  type CloseReason,
  type Connection,
  type ConnectionHandler,
  type IncomingCall,
  type Identity,
} from '../connection/index.ts';
import type { Backplane } from '../backplane/index.ts';
import type { AuthenticationRequest, Origins } from '../transports/index.ts';
import type { Farewell } from '../invocation/index.ts';
import { operationsOf, type Operations } from './operation.ts';
import { clientsOf, type TargetParts } from './clients.ts';
import type { Cluster } from './cluster.ts';
import { CallContext, Scope } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import type { AcceptOptions } from './connection-acceptor.ts';
import { beforeConnecting } from './failures.ts';
import { Filters } from './filter.ts';
import { identityOf } from './identity.ts';
import { attributeValue, Members, type MembersOptions } from './members.ts';
import type { HubLimits } from './settings.ts';
import { checkBackplane, checkHubOptions, DOOR, type Names } from './option-names.ts';
import { presenceOf } from './presence.ts';
import type { Accepts, Authorize, Context, DisconnectOptions, Whom, Hub, Methods, Middleware, Results, Schemas } from './types.ts';

/** The `authenticate` hook. `A` is widened away from literals. */
export type Authenticate<A> =
  [A] extends [infer B] ? (request: AuthenticationRequest) => AuthenticatedIdentity<B> | Promise<AuthenticatedIdentity<B>> : never;

/** How each attribute is kept. */
type Declared<A> =
  [keyof A] extends [never] ? Readonly<Record<string, never>> : { readonly [K in keyof A]?: 'indexed' | 'plain' | undefined };

export interface AuthenticatedIdentity<A> {
  readonly userId?: string | undefined;
  readonly attributes?: SomeAttributes<A> | undefined;
}

export interface HubOptions<H, R, A, S> extends AcceptOptions {
  /** Limits of this hub; each replaces the server's. */
  readonly limits?: HubLimits | undefined;
  /** The backplane of this hub, instead of the server's. */
  readonly backplane?: Backplane | undefined;
  /**
   * Authenticates a client: runs at negotiation and at every later request of the connection, which must give the same client (see
   * `sameIdentity`). Throw `unauthorized()` or `forbidden()`. Default: every client is anonymous. The client controls `url` and
   * `headers`: take over only what you have verified.
   */
  readonly authenticate?: Authenticate<A> | undefined;
  /** Declares attributes. Only indexed ones can be asked for with `where`. */
  readonly attributes?: Declared<NoInfer<A>> | undefined;
  /** Which pages may connect; default: those of the same origin. */
  readonly origins?: Origins | undefined;
  /**
   * Schemas of a method's plain arguments, each for the tuple of them. The server refuses a call that does not satisfy its schema with
   * `invalid_arguments`; the method gets the schema's output. Default: arguments are not checked.
   */
  readonly args?: (S & Accepts<H, S>) | undefined;
  /** Checks what clients answer: a result that the schema refuses is `invalid_result`, and only that client's outcome. */
  readonly results?: Results<NoInfer<R>> | undefined;
  /** Whether a client may call a method. Where not, the call rejects `forbidden`, or `unauthorized` where the client has no user id. Default: yes. */
  readonly authorize?: Authorize<H, Context<R, A>, NoInfer<S>> | undefined;
  /** Functions that run around every call, the first one outermost. Default: none. */
  readonly use?: readonly Middleware<Context<R, A>>[] | undefined;
  /**
   * Runs after the client got its handshake response and before its first call. An error ends the connection: for good where it is
   * `forbidden`, `unauthorized` or `hubError`; otherwise the client comes back later.
   */
  readonly connected?: ((ctx: Context<R, A>) => void | Promise<void>) | undefined;
  /** Runs when the connection has ended and left all its groups, and `connected` has finished. */
  readonly disconnected?: ((ctx: Context<R, A>, reason: CloseReason) => void | Promise<void>) | undefined;
  /** The methods that clients call: an object of functions, or an instance of a class, whose inherited methods count too. */
  readonly methods: Methods<H, Context<R, A>, NoInfer<S>>;
}

/** A hub of which this node takes no connections: it only sends, asks and queries. */
export interface SenderOptions {
  /** The backplane of this hub, instead of the server's. */
  readonly backplane?: Backplane | undefined;
  readonly path?: undefined;
  readonly methods?: undefined;
}

export interface HubEnvironment {
  readonly cluster: Cluster;
  readonly detailedErrors: boolean;
  readonly maxGroups: number;
  readonly report: (stage: string, error: unknown) => void;
}

const OPTIONS: Names<HubOptions<object, object, object, object>> = {
  ...DOOR,
  path: true,
  limits: true,
  backplane: true,
  attributes: true,
  args: true,
  results: true,
  authorize: true,
  use: true,
  connected: true,
  disconnected: true,
  methods: true,
};

/** The options of a hub with connections; undefined where this node only sends. @throws HublineError `invalid_option` */
export function hostedOptions<H, R, A, S>(given: HubOptions<H, R, A, S> | SenderOptions): HubOptions<H, R, A, S> | undefined {
  if (
    typeof given === 'object' &&
    given !== null &&
    Object.entries(given).every(([name, value]) => name === 'backplane' || value === undefined)
  ) {
    checkBackplane(given.backplane);
    return undefined;
  }
  checkHubOptions(given, Object.keys(OPTIONS));
  return given as HubOptions<H, R, A, S>;
}

/** The options of a hub without connections on this node. */
const SILENT = { methods: {} };

/** A hub on one node: handles its connections, and gives the program its {@link Hub}. */
export class HubHost<H, R, A, S extends Schemas<H>> implements ConnectionHandler {
  readonly hub: Hub<R, A>;
  readonly #options: Partial<HubOptions<H, R, A, S>>;
  readonly #report: HubEnvironment['report'];
  readonly #members: Members;
  readonly #operations: Operations;
  readonly #targets: TargetParts<A>;
  readonly #dispatcher: Dispatcher<Context<R, A>>;
  readonly #scopes = new Map<string, Scope<R, A>>();
  readonly #leaving = new Set<Promise<void>>();

  constructor(
    contract: Contract<H, R, A>,
    options: HubOptions<H, R, A, S> | undefined,
    { cluster, detailedErrors, maxGroups, report }: HubEnvironment,
  ) {
    const { name } = contract;
    this.#options = options ?? {};
    this.#report = report;
    const { membership } = cluster;
    const operations = (this.#operations = operationsOf(report));
    const members = (this.#members = new Members({
      hub: name,
      membership,
      maxGroups,
      attributes: options?.attributes ?? {},
      results: (options?.results ?? {}) as MembersOptions['results'],
      report,
    }));
    this.#dispatcher = new Dispatcher({
      methods: (options ?? SILENT).methods,
      kinds: contract.kinds,
      args: options?.args ?? {},
      authorize: options?.authorize ?? {},
      use: options?.use ?? [],
      detailedErrors,
      operations,
      report,
    });
    // A node that takes no connections for the hub does not know which attributes the others index.
    const filters = new Filters<A>(name, (attribute) => !options || members.isIndexed(attribute));
    cluster.serve(name, members);
    const { broadcaster, invocations, commands } = cluster;
    const changeGroup = (what: 'join' | 'leave', whom: string | Whom<A>, group: string): Promise<unknown> => {
      checkName(group, 'group');
      if (typeof whom === 'object' && whom !== null)
        return commands.toMatching({ hub: name, do: `${what}Matching`, target: filters.selector(whom), group });
      return commands.toOwner({ hub: name, do: what, connectionId: checkConnectionId(whom, 'connectionId'), group });
    };
    this.#targets = { hub: name, broadcaster, invocations, filters, operations };
    this.hub = {
      name,
      clients: clientsOf<R, A>(this.#targets),
      presence: presenceOf(name, cluster, { filters, operations }),
      groups: {
        add: (whom: string | Whom<A>, group: string) => operations('groups.add', async () => changeGroup('join', whom, group)),
        remove: (whom: string | Whom<A>, group: string) => operations('groups.remove', async () => changeGroup('leave', whom, group)),
      } as Hub<R, A>['groups'],
      attributes: {
        set: (connectionId, key, value) =>
          operations('attributes.set', async () => {
            checkConnectionId(connectionId, 'connectionId');
            checkName(key, 'key');
            return commands.toOwner({ hub: name, do: 'set', connectionId, key, value: attributeValue(key, value) });
          }),
      },
      disconnect: (whom, options) =>
        operations('disconnect', async () =>
          commands.toMatching({ hub: name, do: 'disconnect', target: filters.selector(whom), ...farewellOf(options) }),
        ),
    };
  }

  /** @throws whatever `authenticate` does; HublineError `invalid_option` where it names an attribute that is not declared, or no value of one */
  async authenticate(request: AuthenticationRequest): Promise<Identity> {
    return beforeConnecting('authenticate', this.#report, async () =>
      identityOf(await this.#options.authenticate?.(request), (given) => this.#members.checked(given)),
    );
  }

  /** Settles when the ended connections have left all topics, and `disconnected` has run for them. */
  left(): Promise<unknown> {
    return Promise.all(this.#leaving);
  }

  async opening(connection: Connection): Promise<void> {
    await this.#members.enter(connection);
  }

  opened(connection: Connection): Promise<void> {
    const scope = new Scope(connection, this.hub, { targets: this.#targets, members: this.#members, operations: this.#operations });
    this.#scopes.set(connection.id, scope);
    return (scope.opened = this.#connect(scope));
  }

  uploadsOf(target: string): number {
    return this.#dispatcher.uploadsOf(target);
  }

  call(connection: Connection, call: IncomingCall): void {
    const scope = this.#scopes.get(connection.id);
    if (scope) this.#dispatcher.dispatch(new CallContext(scope, call), call);
  }

  closed(connection: Connection, reason: CloseReason): void {
    // Only the time limits of the server's own steps: an error of a hook is reported where it is thrown.
    if (reason.code === 'internal' && isHublineError(reason.error) && reason.error.code === 'timed_out') {
      this.#report(this.#scopes.has(connection.id) ? 'connected' : 'registration', reason.error);
    }
    const leaving = this.#leave(connection, reason)
      .catch((error: unknown) => this.#report('disconnected', error))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  async #connect(scope: Scope<R, A>): Promise<void> {
    try {
      await this.#options.connected?.(new CallContext(scope));
    } catch (error) {
      if (!isForCaller(error)) this.#report('connected', error); // the client only gets a general text
      throw error;
    }
  }

  async #leave(connection: Connection, reason: CloseReason): Promise<void> {
    const scope = this.#scopes.get(connection.id);
    this.#scopes.delete(connection.id);
    scope?.end(reason.error);
    await this.#members.leave(connection);
    if (!scope) return; // `connected` never ran, so `disconnected` does not run either
    await Promise.allSettled([scope.opened]);
    await this.#options.disconnected?.(new CallContext(scope), reason);
  }
}

/** @throws HublineError `invalid_option` */
function farewellOf(options: string | DisconnectOptions | undefined): Farewell {
  if (options !== undefined && typeof options !== 'string')
    checkKnown(options, ['code', 'message', 'allowReconnect'], { within: 'options' });
  const { code, message, allowReconnect } = typeof options === 'object' ? options : { message: options };
  if (code !== undefined) checkName(code, 'code');
  if (message !== undefined && typeof message !== 'string') throw invalidOption('message', 'must be a string');
  if (allowReconnect !== undefined && typeof allowReconnect !== 'boolean') throw invalidOption('allowReconnect', 'must be true or false');
  return {
    ...(message === undefined ? {} : { reason: message }),
    ...(code === undefined ? {} : { code }),
    ...(allowReconnect === undefined ? {} : { allowReconnect }),
  };
}
