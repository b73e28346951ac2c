import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { HublineError } from '@hubline/protocol';
import { splitTarget } from './path.ts';

/** A client's HTTP request, for any transport. */
export interface ClientRequest {
  /** The name of the hub that the server has found for the request. A `connectionHandler` has none. */
  readonly hub?: string;
  /** The path under which the hub is hosted, as the server has routed the request. Compare this, not the path of `url`. */
  readonly path: string;
  /**
   * Absolute, as the client sees it: behind a trusted proxy, scheme and host are the proxy's. Its query holds neither `access_token`
   * nor `id`, which are secrets.
   */
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: Readonly<Record<string, string>>;
  /** From `Authorization: Bearer`, or from the query's `access_token`: browsers cannot set headers on a WebSocket. */
  readonly token?: string;
  readonly remoteAddress?: string;
}

/** The request as `authenticate` gets it. */
export interface AuthenticationRequest extends ClientRequest {
  /**
   * Aborts when the time for `authenticate` is over, and when the client has left: that of a WebSocket is noticed only later, since its
   * socket is not read before it is let in.
   */
  readonly signal: AbortSignal;
}

/** The request that opened a connection, without what proves who the client is: methods can pass it on and log it. */
export type OpeningRequest = Omit<ClientRequest, 'token'>;

/** A request, and the secret id of the connection that it is for. */
export interface ParsedRequest {
  readonly request: ClientRequest;
  /** Undefined also where it is empty, as in SignalR. */
  readonly id: string | undefined;
}

export interface RequestRoute {
  readonly hub: string | undefined;
  readonly path: string;
  /** The number of trusted proxies in front of this server. */
  readonly proxies: number;
}

/** @throws HublineError `invalid_message` where the request target, the Host header or what a proxy forwards for them is no URL. */
export function parseRequest(incoming: IncomingMessage, { hub, path, proxies }: RequestRoute): ParsedRequest {
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

export function openingRequest({ token: _token, headers, ...request }: ClientRequest): OpeningRequest {
  const { authorization: _authorization, ...rest } = headers;
  return { ...request, headers: rest };
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

/** A host that held a `/`, `?` or `@` would move the path, the query or the host itself. */
function hostOf(host: string): string {
  if (host === '') return 'localhost';
  if (!HOST.test(host)) throw invalid('host');
  return host;
}

/** A path that begins with two slashes is a path all the same, so it is not resolved against the origin but put behind it. */
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

/** The entry that the outermost trusted proxy has appended. Earlier entries come from outside, and can be forged. */
function entry(header: string | string[] | undefined, proxies: number): string | undefined {
  const entries = String(header ?? '').split(',');
  return (entries.at(-proxies) ?? entries[0])?.trim() || undefined;
}

/** RFC 6265, 5.4. A value that is no percent-encoding is taken as it is. */
function parseCookies(header: string | undefined): Readonly<Record<string, string>> {
  const cookies = Object.create(null) as Record<string, string>;
  for (const pair of header?.split(';') ?? []) {
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

/** SignalR looks query keys up without case. */
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
