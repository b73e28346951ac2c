import { checkFunctions, invalidOption, type OfferedTransport, type TransportName } from '@hubline/protocol';
import type { Identity } from '../connection/index.ts';
import type { AuthenticationRequest } from '../transports/index.ts';

/** The options of a path: its address, its transports and its redirect. */
export interface AcceptOptions {
  /** The URL path: `/hubs/chat`. A slash at its end is ignored. */
  readonly path: string;
  /** In order of preference. Default: WebSockets, server-sent events, long polling. */
  readonly transports?: readonly TransportName[] | undefined;
  /** The lowest negotiate version that is answered: 0 (default) or 1. */
  readonly minimumVersion?: 0 | 1 | undefined;
  /** Redirects a client when it negotiates: the client starts again at `url`, with `accessToken` if there is one. */
  readonly redirect?: ((request: AuthenticationRequest) => Redirect | undefined | Promise<Redirect | undefined>) | undefined;
  /**
   * Whether a later request of a connection comes from the client that negotiated it: `before` is the result of `authenticate` at
   * negotiation, `now` its result for this request. Default: the same user id and the same attributes. Needed if attributes differ from
   * run to run.
   */
  readonly sameIdentity?: ((before: Identity, now: Identity) => boolean) | undefined;
}

/** The options of a path after their check, with their defaults. */
export interface CheckedAcceptOptions extends AcceptOptions {
  readonly transports: readonly TransportName[];
  readonly minimumVersion: 0 | 1;
}

export interface Redirect {
  readonly url: string;
  readonly accessToken?: string | undefined;
}

/** The transports as a negotiate response offers them. */
export const OFFERED_TRANSPORTS: Record<TransportName, OfferedTransport> = {
  WebSockets: { transport: 'WebSockets', transferFormats: ['Text', 'Binary'] },
  ServerSentEvents: { transport: 'ServerSentEvents', transferFormats: ['Text'] },
  LongPolling: { transport: 'LongPolling', transferFormats: ['Text', 'Binary'] },
};

/** Checks the transports and the negotiate version of a path, and adds their defaults. @throws HublineError `invalid_option` */
export function checkedTransports({
  transports = Object.keys(OFFERED_TRANSPORTS) as TransportName[],
  minimumVersion = 0,
}: AcceptOptions): Pick<CheckedAcceptOptions, 'transports' | 'minimumVersion'> {
  const isList = Array.isArray(transports) && transports.length > 0 && new Set(transports).size === transports.length;
  if (!isList || !(transports as readonly string[]).every((name) => Object.hasOwn(OFFERED_TRANSPORTS, name))) {
    throw invalidOption('transports', `must name at least one of ${Object.keys(OFFERED_TRANSPORTS).join(', ')}, and none twice`);
  }
  if (minimumVersion === 0 || minimumVersion === 1) return { transports, minimumVersion };
  throw invalidOption('minimumVersion', 'must be 0 or 1');
}

/** Checks the result of the option `redirect`, and drops fields that it does not define. @throws HublineError `invalid_option` */
export function checkedRedirect(given: unknown): Redirect | undefined {
  if (given === undefined || given === null) return undefined;
  const { url, accessToken } = given as { readonly url?: unknown; readonly accessToken?: unknown };
  if (typeof url !== 'string' || url === '') throw invalidOption('redirect', 'must give an object with a url, which is a string');
  if (accessToken === undefined || accessToken === null) return { url };
  if (typeof accessToken !== 'string') throw invalidOption('redirect', 'must give an accessToken that is a string, or none');
  return { url, accessToken };
}

export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** The names of the options that every path has besides its address. */
export const ACCEPT_OPTIONS: OptionNames<Omit<AcceptOptions, 'path'> & Record<'authenticate' | 'origins', unknown>> = {
  authenticate: true,
  origins: true,
  transports: true,
  minimumVersion: true,
  redirect: true,
  sameIdentity: true,
};

/** Checks the functions among the options of a path. @throws HublineError `invalid_option` */
export function checkAcceptOptions(options: object): void {
  const { authenticate, redirect, sameIdentity } = options as Readonly<Record<string, unknown>>;
  checkFunctions({ authenticate, redirect, sameIdentity });
}
