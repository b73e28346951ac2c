import { checkKnown, checkName, invalidOption, isForCaller, isHublineError, type Contract } from '@hubline/protocol';
import {
  checkConnectionId,
  Connection,
  type CloseReason,
  type ConnectionHandler,
  type ConnectionOpening,
  type ConnectionSettings,
  type IncomingCall,
  type Identity,
} from '../connection/index.ts';
import type { DisconnectCommand } from '../invocation/index.ts';
import type { AuthenticationRequest } from '../transports/index.ts';
import { clientsOf, type TargetParts } from './clients.ts';
import { CallContext, ConnectionScope } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { Filters } from './filter.ts';
import { callHook } from './hooks.ts';
import type { HubCluster } from './hub-cluster.ts';
import type { HubOptions } from './hub-options.ts';
import { identityOf } from './identity.ts';
import type { Limits } from './limits.ts';
import { attributeValue, Members, type MembersOptions } from './members.ts';
import { operationsOf, type Operations } from './operation.ts';
import type { PathHost } from './path-host.ts';
import { presenceOf } from './presence.ts';
import type { Context, DisconnectOptions, Whom, Hub, Schemas } from './types.ts';

export interface HubEnvironment {
  readonly cluster: HubCluster;
  readonly settings: Omit<ConnectionSettings, 'handler'> & { readonly limits: Pick<Limits, 'maxGroups'> };
  readonly report: (stage: string, error: unknown) => void;
}

/** The options of a hub without connections on this node. */
const SENDER_ONLY = { methods: {} };

/** A hub on one node: handles its connections, and provides the program's {@link Hub}. */
export class HubHost<H, R, A, S extends Schemas<H>> implements ConnectionHandler, PathHost {
  readonly hub: Hub<R, A>;
  readonly #options: Partial<HubOptions<H, R, A, S>>;
  readonly #settings: ConnectionSettings;
  readonly #report: HubEnvironment['report'];
  readonly #members: Members;
  readonly #operations: Operations;
  readonly #targets: TargetParts<A>;
  readonly #dispatcher: Dispatcher<Context<R, A>>;
  readonly #scopes = new Map<string, ConnectionScope<R, A>>();
  readonly #leaving = new Set<Promise<void>>();

  constructor(contract: Contract<H, R, A>, options: HubOptions<H, R, A, S> | undefined, { cluster, settings, report }: HubEnvironment) {
    const { name } = contract;
    this.#options = options ?? {};
    this.#settings = { ...settings, handler: this };
    this.#report = report;
    const { membership } = cluster;
    const operations = (this.#operations = operationsOf(report));
    const members = (this.#members = new Members({
      hub: name,
      membership,
      maxGroups: settings.limits.maxGroups,
      attributes: options?.attributes ?? {},
      results: (options?.results ?? {}) as MembersOptions['results'],
      report,
    }));
    this.#dispatcher = new Dispatcher({
      methods: (options ?? SENDER_ONLY).methods,
      kinds: contract.kinds,
      args: options?.args ?? {},
      authorize: options?.authorize ?? {},
      use: options?.use ?? [],
      detailedErrors: settings.detailedErrors,
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
          commands.toMatching({ hub: name, do: 'disconnect', target: filters.selector(whom), ...disconnectCommandOf(options) }),
        ),
    };
  }

  /** @throws the error of `authenticate`; HublineError `invalid_option` for an undeclared attribute or an invalid value */
  async authenticate(request: AuthenticationRequest): Promise<Identity> {
    return callHook('authenticate', this.#report, async () =>
      identityOf(request.identity ?? (await this.#options.authenticate?.(request)), (given) => this.#members.checked(given)),
    );
  }

  connect(opening: ConnectionOpening): Connection {
    const settings = this.#settings;
    return new Connection({ ...opening, settings, connectedAt: settings.clock.now() });
  }

  /** Settles when the ended connections have left all topics, and `disconnected` has run for them. */
  finished(): Promise<unknown> {
    return Promise.all(this.#leaving);
  }

  async opening(connection: Connection): Promise<void> {
    await this.#members.enter(connection);
  }

  opened(connection: Connection): Promise<void> {
    const scope = new ConnectionScope(connection, this.hub, {
      targets: this.#targets,
      members: this.#members,
      operations: this.#operations,
    });
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
    // Only time limits of the server are reported here: the error of a hook is reported where it is thrown.
    if (reason.code === 'internal' && isHublineError(reason.error) && reason.error.code === 'timed_out') {
      this.#report(this.#scopes.has(connection.id) ? 'connected' : 'registration', reason.error);
    }
    const leaving = this.#leave(connection, reason)
      .catch((error: unknown) => this.#report('disconnected', error))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  async #connect(scope: ConnectionScope<R, A>): Promise<void> {
    try {
      await this.#options.connected?.(new CallContext(scope));
    } catch (error) {
      if (!isForCaller(error)) this.#report('connected', error); // the client gets a general text
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
function disconnectCommandOf(options: string | DisconnectOptions | undefined): DisconnectCommand {
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
