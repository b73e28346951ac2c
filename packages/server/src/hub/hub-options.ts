import { checkFunctions, checkKnown, invalidOption, type SomeAttributes } from '@hubline/protocol';
import type { Backplane } from '../backplane/index.ts';
import type { CloseReason } from '../connection/index.ts';
import type { AuthenticationRequest, Origins } from '../transports/index.ts';
import { ACCEPT_OPTIONS, checkAcceptOptions, type AcceptOptions, type OptionNames } from './accept-options.ts';
import type { HubLimits } from './limits.ts';
import { checkBackplane } from './option-checks.ts';
import type { Accepts, Authorize, Context, Methods, Middleware, Results } from './types.ts';

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

/** Options of a hub from plain JavaScript: their names, and functions that would not be called or not be ones. @throws HublineError `invalid_option` */
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
