import {
  HublineError,
  isHublineError,
  type Affinity,
  type Negotiated,
  type NegotiateRedirect,
  type NegotiateRefusal,
} from '@hubline/protocol';
import { codeOf } from './remote-error.ts';
import { refusal } from './refusal.ts';
import type { Network } from './transport.ts';

const MAX_REDIRECTS = 100;

export interface NegotiateRequest extends Network {
  readonly url: URL;
  readonly token: string | undefined;
  readonly affinity: Affinity | undefined;
  readonly signal: AbortSignal;
}

/** Where the connection may be opened: `url` and `token` are the redirected ones, where the server redirected. */
export interface Offer {
  readonly url: URL;
  readonly token: string | undefined;
  readonly answer: Negotiated;
}

/**
 * Asks the server for a connection, and follows where it sends us.
 * @throws HublineError `unauthorized`, `forbidden` or `negotiation_failed`, with SignalR's texts
 */
export async function negotiate({ url, token, affinity, ...network }: NegotiateRequest): Promise<Offer> {
  for (let redirects = 0; redirects < MAX_REDIRECTS; redirects++) {
    const answer = await ask(withAffinity(url, affinity), { ...network, token });
    if (!('url' in answer)) return { url, token, answer };
    url = new URL(answer.url, url);
    token = answer.accessToken ?? token;
  }
  throw refusal(undefined, 'Negotiate redirection limit exceeded.');
}

/** A copy of the url that balancers read as "to this node". */
export function withAffinity(url: URL, affinity: Affinity | undefined): URL {
  const hinted = new URL(url);
  if (affinity) hinted.searchParams.set(affinity.query, affinity.node);
  return hinted;
}

async function ask(
  url: URL,
  { token, headers, signal, fetch = globalThis.fetch, withCredentials = true }: Omit<NegotiateRequest, 'url' | 'affinity'>,
): Promise<Negotiated | NegotiateRedirect> {
  url.pathname = url.pathname.replace(/\/?$/, '/negotiate');
  url.searchParams.set('negotiateVersion', '1');
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers },
      credentials: withCredentials ? 'include' : 'same-origin',
      signal,
    });
    const { status } = response;
    const text = await response.text();
    if (status !== 200) {
      const hint = status === 404 ? ' Either this is not a SignalR endpoint or there is a proxy blocking the connection.' : '';
      throw refusal(status, `Unexpected status code returned from negotiate '${status}'.${hint}`);
    }
    return check(JSON.parse(text) as Partial<Negotiated & NegotiateRedirect & NegotiateRefusal>);
  } catch (cause) {
    throw isHublineError(cause) ? cause : refusal(undefined, `Failed to complete negotiation with the server: ${String(cause)}`, cause);
  }
}

function check(answer: Partial<Negotiated & NegotiateRedirect & NegotiateRefusal>): Negotiated | NegotiateRedirect {
  if (answer.error) throw new HublineError(codeOf(answer.code, 'negotiation_failed'), answer.error, {});
  if (answer.url || (answer.connectionId && Array.isArray(answer.availableTransports))) return answer as Negotiated | NegotiateRedirect;
  throw new TypeError('The answer offers no connection.');
}
