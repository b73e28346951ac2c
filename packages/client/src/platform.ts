import type { HublineError } from '@hubline/protocol';
import { refusal } from './refusal.ts';
import type { OpenRequest } from './transport.ts';

/** In browsers and workers: a WebSocket has no headers, so the token goes into the query, as SignalR servers expect. */
export function createSocket(url: URL, { token, WebSocket: Socket = globalThis.WebSocket }: OpenRequest): WebSocket | Promise<WebSocket> {
  if (token) url.searchParams.set('access_token', token);
  return new Socket(url.href);
}

/** Why a WebSocket did not open: a page is not told. */
export const failureOf = (_socket: WebSocket) => (): HublineError => refusal('The WebSocket did not open.');
