import { HublineError, type Affinity, type Negotiated, type NegotiateRedirect, type NegotiateRefusal } from '@hubline/protocol';
import { refusal } from './refusal.ts';
import { codeOf } from './remote-error.ts';
import type { Network } from './transport.ts';

const MAX_REDIRECTS = 100;

export interface NegotiateRequest extends Network {
  readonly url: URL;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

/** What the server offers, and where: `url` and `token` are the redirected ones, where the server redirected. */
export interface Offer extends Negotiated {
  readonly url: URL;
  readonly token: string | undefined;
}

/**
 * Asks the server for a connection, and follows where it sends us.
 * @throws HublineError `unauthorized`, `forbidden` or `negotiation_failed`, with SignalR's texts; whatever fetch throws
 */
export async function negotiate(request: NegotiateRequest): Promise<Offer> {
  const { signal, headers, fetch = globalThis.fetch, withCredentials } = request;
  let { url, token } = request;
  for (let redirects = 0; redirects < MAX_REDIRECTS; redirects++) {
    const target = new URL(url);
    target.pathname = target.pathname.replace(/\/?$/, '/negotiate');
    target.searchParams.set('negotiateVersion', '1');
    const response = await fetch(target, {
      method: 'POST',
      headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers },
      credentials: withCredentials === false ? 'same-origin' : 'include',
      signal,
    });
    const { status } = response;
    const text = await response.text();
    if (status !== 200) {
      const hint = status === 404 ? ' Either this is not a SignalR endpoint or there is a proxy blocking the connection.' : '';
      throw refusal(`Unexpected status code returned from negotiate '${status}'.${hint}`, { status });
    }
    const answer = JSON.parse(text) as Negotiated & Partial<NegotiateRedirect & NegotiateRefusal>;
    if (answer.error) throw new HublineError(codeOf(answer.code, 'negotiation_failed'), answer.error, {});
    if (!answer.url) return { ...answer, url, token };
    url = new URL(answer.url, url);
    token = answer.accessToken ?? token;
  }
  throw refusal('Negotiate redirection limit exceeded.');
}

/** A copy of the url that balancers read as "to this node". */
export function withAffinity(url: URL, affinity: Affinity | undefined): URL {
  const hinted = new URL(url);
  if (affinity) hinted.searchParams.set(affinity.query, affinity.node);
  return hinted;
}
