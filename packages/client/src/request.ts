import { COMMON_HEADERS } from '#platform';
import { reasonOf, refusal } from './refusal.ts';
import type { Network } from './transport.ts';

export interface Destination extends Network {
  readonly url: URL;
  readonly token: string | undefined;
}

/** Returns the headers of a request. The user's headers override the client's, which go to the page's own origin only, to save preflights. */
export function headersFor({ url, token, headers }: Destination): Record<string, string> {
  const { location } = globalThis;
  return {
    ...((!location || location.origin === url.origin) && COMMON_HEADERS),
    ...(token && { Authorization: `Bearer ${token}` }),
    ...headers,
  };
}

/** Sends one request. @throws HublineError `negotiation_failed` if there is no response */
export async function request(
  to: Destination,
  init: RequestInit & { readonly headers?: Readonly<Record<string, string>> },
): Promise<Response> {
  const { url, fetch = globalThis.fetch, withCredentials } = to;
  try {
    return await fetch(url, {
      credentials: withCredentials === false ? 'same-origin' : 'include',
      ...init,
      headers: { ...headersFor(to), ...init.headers },
    });
  } catch (cause) {
    throw refusal(`No answer: ${reasonOf(cause)}.`, { url, cause });
  }
}

/**
 * Returns the option that keeps caches from answering a GET request. workerd throws at unknown options, and knows this one from a
 * compatibility date on.
 */
export const uncached = (): Pick<RequestInit, 'cache'> => ('cache' in (globalThis.Request?.prototype ?? {}) ? { cache: 'no-store' } : {});
