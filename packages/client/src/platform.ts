import type { HublineError } from '@hubline/protocol';
import { withQuery } from './hub-url.ts';
import { refusal } from './refusal.ts';
import type { OpenRequest } from './transport.ts';

/** With this header ASP.NET answers 401 instead of a redirect to a page to sign in. Browsers send a user agent themselves. */
export const COMMON_HEADERS = { 'X-Requested-With': 'XMLHttpRequest' };

/** Creates a WebSocket in browsers and workers. It cannot send headers, so the token goes into the query, where SignalR servers read it. */
export function createSocket(
  url: URL,
  { token, WebSocket: Socket = globalThis.WebSocket }: OpenRequest,
  _headers: Readonly<Record<string, string>>,
): WebSocket | Promise<WebSocket> {
  return new Socket((token ? withQuery(url, 'access_token', token) : url).href);
}

/** Returns a function that creates the error for a WebSocket that did not open. Browsers do not report why. */
export const openErrorOf = (_socket: WebSocket, url: URL) => (): HublineError => refusal('The WebSocket did not open.', { url });

/** Undefined: browsers cannot send WebSocket pings. */
export const pingOf = (_socket: WebSocket, _received: () => void): (() => void) | undefined => undefined;
