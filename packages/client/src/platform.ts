import type { HublineError } from '@hubline/protocol';
import { withQuery } from './hub-url.ts';
import { refusal } from './refusal.ts';
import type { OpenRequest } from './transport.ts';

/** By these headers ASP.NET answers 401 instead of sending people to a page to sign in. A browser says by itself what it is. */
export const COMMON_HEADERS = { 'X-Requested-With': 'XMLHttpRequest' };

/** In browsers and workers: a WebSocket has no headers, so the token goes into the query, as SignalR servers expect. */
export function createSocket(
  url: URL,
  { token, WebSocket: Socket = globalThis.WebSocket }: OpenRequest,
  _headers: Readonly<Record<string, string>>,
): WebSocket | Promise<WebSocket> {
  return new Socket((token ? withQuery(url, 'access_token', token) : url).href);
}

/** Why a WebSocket did not open: a page is not told. */
export const failureOf = (_socket: WebSocket, url: URL) => (): HublineError => refusal('The WebSocket did not open.', { url });

/** A page cannot send the pings of the WebSocket itself. */
export const pingOf = (_socket: WebSocket, _heard: () => void): (() => void) | undefined => undefined;
