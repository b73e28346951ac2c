import { reasonOf, refusal } from './refusal.ts';
import type { Network } from './transport.ts';

/** Compared with package.json by a test. */
const VERSION = '0.1.0';

export interface Destination extends Network {
  readonly url: URL;
  readonly token: string | undefined;
}

/**
 * The headers of every request: the user's win. Ours, by which ASP.NET answers 401 instead of sending people to a page
 * to sign in, and which say who we are, stay at home: over origins they would cost one more round trip, a preflight.
 */
export function headersFor({ url, token, headers }: Destination): Record<string, string> {
  const { location } = globalThis;
  return {
    ...((!location || location.origin === url.origin) && {
      'X-Requested-With': 'XMLHttpRequest',
      'X-SignalR-User-Agent': `Hubline/${VERSION}`,
    }),
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
      // workerd throws at options that it does not have, and has this one from a compatibility date on.
      ...('cache' in (globalThis.Request?.prototype ?? {}) && { cache: 'no-store' }),
      credentials: withCredentials === false ? 'same-origin' : 'include',
      ...init,
      headers: { ...headersFor(to), ...init.headers },
    });
  } catch (cause) {
    throw refusal(`No answer: ${reasonOf(cause)}.`, { url, cause });
  }
}
