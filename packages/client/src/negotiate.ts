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

type Answer = Partial<Negotiated & NegotiateRedirect & NegotiateRefusal>;

/**
 * Asks the server for a connection, and follows where it sends us.
 * @throws HublineError `unauthorized`, `forbidden` or `negotiation_failed`, with SignalR's texts
 */
export async function negotiate(request: NegotiateRequest): Promise<Offer> {
  const { affinity, signal, headers, fetch = globalThis.fetch, withCredentials = true } = request;
  let { url, token } = request;
  try {
    for (let redirects = 0; redirects < MAX_REDIRECTS; redirects++) {
      const target = withAffinity(url, affinity);
      target.pathname = target.pathname.replace(/\/?$/, '/negotiate');
      target.searchParams.set('negotiateVersion', '1');
      const response = await fetch(target, {
        method: 'POST',
        headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers },
        credentials: withCredentials ? 'include' : 'same-origin',
        signal,
      });
      const { status } = response;
      const text = await response.text();
      if (status !== 200) {
        const hint = status === 404 ? ' Either this is not a SignalR endpoint or there is a proxy blocking the connection.' : '';
        throw refusal(`Unexpected status code returned from negotiate '${status}'.${hint}`, { status });
      }
      const answer = JSON.parse(text) as Answer;
      if (answer.error) throw new HublineError(codeOf(answer.code, 'negotiation_failed'), answer.error, {});
      if (!answer.url) return { url, token, answer: checked(answer) };
      url = new URL(answer.url, url);
      token = answer.accessToken ?? token;
    }
  } catch (cause) {
    throw isHublineError(cause) ? cause : refusal(`Negotiation failed: ${String(cause)}`, { cause });
  }
  throw refusal('Negotiate redirection limit exceeded.');
}

/** A copy of the url that balancers read as "to this node". */
export function withAffinity(url: URL, affinity: Affinity | undefined): URL {
  const hinted = new URL(url);
  if (affinity) hinted.searchParams.set(affinity.query, affinity.node);
  return hinted;
}

function checked(answer: Answer): Negotiated {
  if (answer.connectionId && Array.isArray(answer.availableTransports)) return answer as Negotiated;
  throw new TypeError('The answer offers no connection.');
}
