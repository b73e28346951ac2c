import { checkFunctions, checkKnown, invalidOption, type SomeAttributes } from '@hubline/protocol';
import type { Backplane } from '../backplane/index.ts';
import type { CloseReason } from '../connection/index.ts';
import type { AuthenticationRequest, Origins } from '../transports/index.ts';
import { ACCEPT_OPTIONS, checkAcceptOptions, type AcceptOptions, type OptionNames } from './accept-options.ts';
import type { HubLimits } from './limits.ts';
import { checkBackplane } from './option-checks.ts';
import type { Accepts, Authorize, Context, Methods, Middleware, Results } from './types.ts';

/** The `authenticate` hook. Attributes of literal types are widened. */
export type Authenticate<A> =
  [A] extends [infer B] ? (request: AuthenticationRequest) => AuthenticatedIdentity<B> | Promise<AuthenticatedIdentity<B>> : never;

/** Whether each attribute is indexed. */
type Declared<A> =
  [keyof A] extends [never] ? Readonly<Record<string, never>> : { readonly [K in keyof A]?: 'indexed' | 'plain' | undefined };

/** The result of `authenticate`. */
export interface AuthenticatedIdentity<A> {
  /** Default: the client is anonymous. */
  readonly userId?: string | undefined;
  /** Attributes that the hub declares. Default: none. */
  readonly attributes?: SomeAttributes<A> | undefined;
}

/** The options of a hub whose clients connect to this node. */
export interface HubOptions<H, R, A, S> extends AcceptOptions {
  /** Limits of this hub; each replaces the server's. */
  readonly limits?: HubLimits | undefined;
  /** The backplane of this hub, instead of the server's. */
  readonly backplane?: Backplane | undefined;
  /**
   * Authenticates a client. Runs at negotiation and at every later request of the connection, and must return the same identity (see
   * `sameIdentity`). Throw `unauthorized()` or `forbidden()` to refuse. Default: every client is anonymous. The client controls `url` and
   * `headers`: verify their contents.
   */
  readonly authenticate?: Authenticate<A> | undefined;
  /** Declares attributes. Only indexed attributes can be used in `where`. */
  readonly attributes?: Declared<NoInfer<A>> | undefined;
  /** The origins of pages that may connect. Default: the server's own origin. */
  readonly origins?: Origins | undefined;
  /**
   * Schemas by method, each for the tuple of the method's plain arguments. A call that does not satisfy its schema rejects with
   * `invalid_arguments`; the method gets the schema's output. Default: arguments are not checked.
   */
  readonly args?: (S & Accepts<H, S>) | undefined;
  /** Schemas of clients' results, by receiver method. A result that its schema refuses is `invalid_result`, for that client alone. */
  readonly results?: Results<NoInfer<R>> | undefined;
  /** Decides whether a client may call a method. A refused call rejects `forbidden`, or `unauthorized` if the client has no user id. Default: true. */
  readonly authorize?: Authorize<H, Context<R, A>, NoInfer<S>> | undefined;
  /** Functions that run around every call, the first one outermost. Default: none. */
  readonly use?: readonly Middleware<Context<R, A>>[] | undefined;
  /**
   * Runs after the handshake response and before the client's first call. An error ends the connection: for good if it is `forbidden`,
   * `unauthorized` or `hubError`; otherwise the client reconnects later.
   */
  readonly connected?: ((ctx: Context<R, A>) => void | Promise<void>) | undefined;
  /** Runs when the connection has ended and was removed from its groups, and `connected` has finished. */
  readonly disconnected?: ((ctx: Context<R, A>, reason: CloseReason) => void | Promise<void>) | undefined;
  /** The methods that clients call: an object of functions, or an instance of a class with its inherited methods. */
  readonly methods: Methods<H, Context<R, A>, NoInfer<S>>;
}

/** Options of a hub for which this node accepts no connections: it only sends, invokes and queries. */
export interface SenderOptions {
  /** The backplane of this hub, instead of the server's. */
  readonly backplane?: Backplane | undefined;
  readonly path?: undefined;
  readonly methods?: undefined;
}

const OPTIONS: OptionNames<HubOptions<object, object, object, object>> = {
  ...ACCEPT_OPTIONS,
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

/** Checks the options of a hub. Returns undefined if the node accepts no connections for it. @throws HublineError `invalid_option` */
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

/** Checks options that may come from plain JavaScript. @throws HublineError `invalid_option` */
function checkHubOptions(options: object, names: readonly string[]): void {
  checkKnown(options, names, { within: 'options' });
  const { connected, disconnected, use = [], args = {}, authorize = {}, results = {}, attributes = {}, backplane } = options as HookOptions;
  checkAcceptOptions(options);
  checkBackplane(backplane);
  checkFunctions({ connected, disconnected });
  if (!Array.isArray(use)) throw invalidOption('use', 'must be an array');
  checkFunctions(Object.fromEntries(use.map((each, at) => [`use[${at}]`, each as unknown])));
  for (const [option, value] of Object.entries({ args, authorize, results, attributes })) {
    if (typeof value !== 'object' || value === null) throw invalidOption(option, 'must be an object');
  }
  for (const [option, schemas] of Object.entries({ args, results } as Readonly<Record<string, object>>)) {
    for (const [name, schema] of Object.entries(schemas))
      if (!isSchema(schema)) throw invalidOption(`${option}.${name}`, 'must be a Standard Schema');
  }
}

type HookOptions = Readonly<
  Record<'connected' | 'disconnected' | 'use' | 'args' | 'authorize' | 'results' | 'attributes' | 'backplane', unknown>
>;

const isSchema = (value: unknown): boolean =>
  value === undefined || ((typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value);
