import { COMMON_HEADERS } from '#platform';
import { reasonOf, refusal } from './refusal.ts';
import type { Network } from './transport.ts';

export interface Destination extends Network {
  readonly url: URL;
  readonly token: string | undefined;
}

/** The headers of every request: the user's win. Ours would cost one more round trip over origins, a preflight: they stay at home. */
export function headersFor({ url, token, headers }: Destination): Record<string, string> {
  const { location } = globalThis;
  return {
    ...((!location || location.origin === url.origin) && COMMON_HEADERS),
    ...(token && { Authorization: `Bearer ${token}` }),
    ...headers,
  };
}

/** One request. @throws HublineError `negotiation_failed` where there is no answer */
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
 * Keeps caches out of requests that they could answer: those that receive. workerd throws at options that it does not have, and has
 * this one from a compatibility date on.
 */
export const uncached = (): Pick<RequestInit, 'cache'> => ('cache' in (globalThis.Request?.prototype ?? {}) ? { cache: 'no-store' } : {});
