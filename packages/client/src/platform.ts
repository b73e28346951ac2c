import type { HublineError } from '@hubline/protocol';
import { refusal } from './refusal.ts';
import type { OpenRequest } from './transport.ts';

/** In browsers and workers: a WebSocket has no headers, so the token goes into the query, as SignalR servers expect. */
export function createSocket(url: URL, { token, WebSocket: Socket = globalThis.WebSocket }: OpenRequest): WebSocket | Promise<WebSocket> {
  if (token) url.searchParams.set('access_token', token);
  return new Socket(url.href);
}

/** A page is not told why a WebSocket did not open. */
export const failureOf = (_problem: Event | undefined): HublineError => refusal('The WebSocket did not open.');
