import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { HublineError } from '@hubline/protocol';
import { splitTarget } from './path.ts';

/** A client's HTTP request, for any transport. */
export interface ClientRequest {
  /** The name of the hub of the path. Undefined for a `connectionHandler`. */
  readonly hub?: string;
  /** The path of the hub, by which the server has routed the request. Compare this, not the path of `url`. */
  readonly path: string;
  /**
   * The absolute URL, as the client sees it: behind a trusted proxy, scheme and host are the proxy's. `access_token` and `id`, which are
   * secrets, are removed from its query.
   */
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: Readonly<Record<string, string>>;
  /** From `Authorization: Bearer`, or from the query's `access_token`: browsers cannot set headers on a WebSocket. */
  readonly token?: string;
  readonly remoteAddress?: string;
  /** The identity that the program has given to a client of its own process. `authenticate` does not run then. */
  readonly identity?: object;
}

/** The request as `authenticate` gets it. */
export interface AuthenticationRequest extends ClientRequest {
  /**
   * Aborts when the time for `authenticate` is over, or when the client has disconnected. The disconnect of a WebSocket client is noticed
   * later, since its socket is not read before it is accepted.
   */
  readonly signal: AbortSignal;
}

/** The request that opened a connection, without its credentials, so that methods can pass it on and log it. */
export type OpeningRequest = Omit<ClientRequest, 'token' | 'identity'>;

/** A request, and the secret id of its connection. */
export interface ParsedRequest {
  readonly request: ClientRequest;
  /** Undefined also if it is empty, as in SignalR. */
  readonly id: string | undefined;
}

export interface RequestRoute {
  readonly hub: string | undefined;
  readonly path: string;
  /** The number of trusted proxies in front of this server. */
  readonly proxies: number;
}

/** The parts of an incoming request that are read. */
export interface RequestHead extends Pick<IncomingMessage, 'headers' | 'url'> {
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** The head of a request in memory. */
export interface InMemoryHead extends RequestHead, Pick<ClientRequest, 'identity'> {}

/** Parses a request. @throws HublineError `invalid_message` if the request target, the host or a forwarded header is not valid in a URL */
export function parseRequest(incoming: RequestHead, { hub, path, proxies }: RequestRoute): ParsedRequest {
  const { headers, socket } = incoming;
  const forwarded = (name: string): string | undefined => (proxies > 0 ? entry(headers[name], proxies) : undefined);
  const scheme = schemeOf(forwarded('x-forwarded-proto') ?? ('encrypted' in socket ? 'https' : 'http'));
  const { host: named, path: target = '/' } = splitTarget(incoming.url ?? '');
  const host = headers.host ?? String(headers[':authority'] ?? ''); // in HTTP/2 a host is an authority
  if (named !== undefined && named !== host) throw invalid('host');
  const url = urlFrom(`${scheme}://${hostOf(forwarded('x-forwarded-host') ?? host)}`, target);
  const accessToken = take(url, 'access_token');
  const id = take(url, 'id');
  const token = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? accessToken;
  const remoteAddress = forwarded('x-forwarded-for') ?? socket.remoteAddress;
  const request = {
    ...(hub === undefined ? {} : { hub }),
    path,
    url,
    headers,
    cookies: parseCookies(headers.cookie),
    ...(token === undefined ? {} : { token }),
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  };
  return { request, id: id === '' ? undefined : id };
}

/** The text of a URL that is parsed when it is read: with its parameters, a URL takes about 1 KB of every idle connection. */
const HREF = Symbol('href');

export function openingRequest({ token: _token, identity: _identity, headers, url, ...request }: ClientRequest): OpeningRequest {
  const { authorization: _authorization, ...rest } = headers;
  const opening = { ...request, headers: rest };
  Object.defineProperty(opening, HREF, { value: url.href });
  return Object.defineProperty(opening, 'url', { get: parseHref, enumerable: true, configurable: true }) as OpeningRequest;
}

function parseHref(this: { readonly [HREF]: string }): URL {
  const value = new URL(this[HREF]);
  Object.defineProperty(this, 'url', { value, enumerable: true });
  return value;
}

/** The request without its cookies. */
export function withoutCookies({ headers, ...request }: ClientRequest): ClientRequest {
  const { cookie: _cookie, ...rest } = headers;
  return { ...request, headers: rest, cookies: {} };
}

function schemeOf(forwarded: string): 'http' | 'https' {
  const scheme = forwarded.toLowerCase();
  if (scheme === 'http' || scheme === 'ws') return 'http';
  if (scheme === 'https' || scheme === 'wss') return 'https';
  throw invalid('X-Forwarded-Proto');
}

/** RFC 3986, 3.2.2: a registered name, an IPv4 address or a bracketed IPv6 address, and a port. It may be empty (RFC 9112, 3.2). */
const HOST = /^(?:[\w.~!$&'()*+,;=%-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i;

/** Checks a host: with a `/`, `?` or `@` it would change the path, the query or the host of the URL. */
function hostOf(host: string): string {
  if (host === '') return 'localhost';
  if (!HOST.test(host)) throw invalid('host');
  return host;
}

/** Appends the target to the origin. Not resolved against it, since a path that begins with two slashes would become a host. */
function urlFrom(origin: string, target: string): URL {
  try {
    return new URL(origin + target);
  } catch (cause) {
    throw invalid(URL.canParse(origin) ? 'request target' : 'host', cause);
  }
}

function invalid(why: string, cause?: unknown): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', `The ${why} is not valid in a URL.`, { why }, { cause });
}

/** Returns the entry that the outermost trusted proxy has appended. Earlier entries can be forged. */
function entry(header: string | string[] | undefined, proxies: number): string | undefined {
  const entries = String(header ?? '').split(',');
  return (entries.at(-proxies) ?? entries[0])?.trim() || undefined;
}

const NO_COOKIES: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>);

/** Parses cookies (RFC 6265, 5.4). A value that is no valid percent-encoding is used unchanged. */
function parseCookies(header: string | undefined): Readonly<Record<string, string>> {
  if (header === undefined) return NO_COOKIES;
  const cookies = Object.create(null) as Record<string, string>;
  for (const pair of header.split(';')) {
    const [name = '', ...value] = pair.split('=');
    if (value.length > 0) cookies[name.trim()] ??= decoded(value.join('=').trim());
  }
  return cookies;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // the value was not encoded
  }
}

/** Returns the value of a query key, ignoring case like SignalR. */
export function queryValue(url: URL, key: string): string | undefined {
  const wanted = key.toLowerCase();
  for (const [name, value] of url.searchParams) if (name.toLowerCase() === wanted) return value;
  return undefined;
}

/** Removes a key from the URL, and returns its first value. Writes the query once, since a client can send a key in hundreds of spellings. */
function take(url: URL, key: string): string | undefined {
  const value = queryValue(url, key);
  if (value === undefined) return undefined;
  const others = [...url.searchParams].filter(([name]) => name.toLowerCase() !== key);
  url.search = new URLSearchParams(others).toString();
  return value;
}
