import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { HublineError } from '@hubline/protocol';

/** What a client asked over HTTP, whatever the transport: what `authenticate` sees. */
export interface ClientRequest {
  /** Absolute, as the client sees it: behind a trusted proxy, scheme and host are the proxy's. */
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: Readonly<Record<string, string>>;
  /** From `Authorization: Bearer`, or from the query's `access_token`: browsers cannot set headers on a WebSocket. */
  readonly token?: string;
  readonly remoteAddress?: string;
}

/** @throws HublineError `invalid_message` where the request target or the Host header is no URL. */
export function clientRequest(request: IncomingMessage, proxies: number): ClientRequest {
  const { headers, socket } = request;
  const forwarded = (name: string): string | undefined => (proxies > 0 ? entry(headers[name], proxies) : undefined);
  const scheme = forwarded('x-forwarded-proto') ?? ('encrypted' in socket ? 'https' : 'http');
  const host = forwarded('x-forwarded-host') ?? headers.host ?? 'localhost';
  const url = urlFrom(`${scheme}://${host}`, request.url ?? '');
  const token = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? queryValue(url, 'access_token');
  const remoteAddress = forwarded('x-forwarded-for') ?? socket.remoteAddress;
  return {
    url,
    headers,
    cookies: parseCookies(headers.cookie),
    ...(token === undefined ? {} : { token }),
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  };
}

/** A path that begins with two slashes is a path all the same, so it is not resolved against the origin but put behind it. */
function urlFrom(origin: string, target: string): URL {
  try {
    return new URL(target.startsWith('/') ? origin + target : target);
  } catch (cause) {
    throw new HublineError('invalid_message', 'The request target is not a URL.', { why: 'request target' }, { cause });
  }
}

/** Each proxy appends what it saw. What stands before the entries of the proxies that are ours, anybody can have sent. */
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
    return value; // whoever set it did not encode it
  }
}

/** SignalR looks query keys up without case. */
export function queryValue(url: URL, key: string): string | undefined {
  const wanted = key.toLowerCase();
  for (const [name, value] of url.searchParams) if (name.toLowerCase() === wanted) return value;
  return undefined;
}

/** The path of a request target, or undefined where it has none. Cheap, and never throws. */
export function pathOf(target: string | undefined): string | undefined {
  return target?.startsWith('/') ? target.split('?', 1)[0] : undefined;
}
