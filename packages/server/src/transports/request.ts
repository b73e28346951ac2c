import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { HublineError } from '@hubline/protocol';

/** What a client asked over HTTP, whatever the transport: what `authenticate` sees. */
export interface ClientRequest {
  /** Absolute; scheme and host as the `Host` header has them. */
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** From `Authorization: Bearer`, or from the query's `access_token`: browsers cannot set headers on a WebSocket. */
  readonly token?: string;
  readonly remoteAddress?: string;
}

/** @throws HublineError `invalid_message` where the request target or the Host header is no URL. */
export function clientRequest(request: IncomingMessage): ClientRequest {
  let url;
  try {
    url = new URL(request.url ?? '', `http://${request.headers.host ?? 'localhost'}`);
  } catch (cause) {
    throw new HublineError('invalid_message', 'The request target is not a URL.', { why: 'request target' }, { cause });
  }
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? queryValue(url, 'access_token');
  const remoteAddress = request.socket.remoteAddress;
  return {
    url,
    headers: request.headers,
    ...(token === undefined ? {} : { token }),
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  };
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
