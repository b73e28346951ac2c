import { parseJson, type Negotiated, type NegotiateRedirect, type NegotiateRefusal } from '@hubline/protocol';
import { readBody } from './response-body.ts';
import { withQuery } from './hub-url.ts';
import { refusal, refusalOf } from './refusal.ts';
import { request } from './request.ts';
import type { Network } from './transport.ts';

const MAX_REDIRECTS = 100;

export interface NegotiateRequest extends Network {
  readonly url: URL;
  readonly token: string | undefined;
  readonly forwardCredentials?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** The server's offer of a connection. `url`, `token` and `headers` are those for its transports, after all redirects. */
export interface Offer extends Negotiated, Pick<NegotiateRequest, 'url' | 'token' | 'headers'> {}

/**
 * Asks the server for a connection, and follows its redirects. The token and the user's headers are not sent to another origin, unless
 * `forwardCredentials` is set; a redirect may carry a token of its own.
 * @throws HublineError `unauthorized`, `forbidden`, `negotiation_failed` …, with SignalR's texts
 */
export async function negotiate({ forwardCredentials, signal, ...asked }: NegotiateRequest): Promise<Offer> {
  let { url, token, headers } = asked;
  for (let redirects = 0; redirects < MAX_REDIRECTS; redirects++) {
    const target = withQuery(new URL(url.href.replace(/\/?(\?|$)/, '/negotiate$1')), 'negotiateVersion', '1');
    const response = await request({ ...asked, url: target, token, headers }, { method: 'POST', signal });
    if (response.status !== 200) throw await refusalOf(response, target);
    const answer = answerIn(await (await readBody(response)).text(), target);
    if (answer.error) throw refusal(answer.error, { url: target, code: answer.code });
    if (!answer.url) return { ...answer, url, token, headers };
    const next = new URL(answer.url, url);
    if (next.origin !== url.origin && !forwardCredentials) token = headers = undefined;
    token = answer.accessToken ?? token;
    url = next;
  }
  throw refusal('Too many redirects.');
}

/** @throws HublineError `negotiation_failed` */
function answerIn(text: string, url: URL): Negotiated & Partial<NegotiateRedirect & NegotiateRefusal> {
  let cause: unknown;
  try {
    const answer = parseJson(text) as ReturnType<typeof answerIn>;
    if (answer.error || answer.url || (answer.connectionId && Array.isArray(answer.availableTransports))) return answer;
  } catch (thrown) {
    cause = thrown;
  }
  throw refusal('Negotiate offers no connection:', { url, text: text || 'nothing', cause });
}
