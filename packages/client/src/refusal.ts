import { explained } from '#diagnostics';
import { asError, CODE_HEADER, given, HublineError } from '@hubline/protocol';
import { bodyOf } from './body.ts';
import { addressOf } from './hub-url.ts';
import { codeOf } from './remote-error.ts';

/** Codes of a connection that does not come about; their details are those of {@link refusal}. */
type RefusalCode = 'unauthorized' | 'forbidden' | 'negotiation_failed' | 'wrong_node' | 'already_connected';

export interface Refused {
  /** The server's own code, where it is not in the headers. */
  readonly code?: string | undefined;
  readonly status?: number | undefined;
  readonly url?: URL | undefined;
  /** The headers of the answer. */
  readonly headers?: { get(name: string): string | null } | undefined;
  /** The server's own words. */
  readonly text?: string | undefined;
  readonly cause?: unknown;
}

/** A server that is busy may ask for so long at most. */
const MAX_RETRY_AFTER_MS = 600_000;
/** How much of an answer an error shows. */
const TEXT_LENGTH = 200;

const CODES: Readonly<Record<number, RefusalCode | undefined>> = { 401: 'unauthorized', 403: 'forbidden' };

/** Why there is no connection. The HTTP statuses 401 and 403 are verdicts, everything else may pass. */
export function refusal(message: string, { code, status = 0, url, headers, text = '', cause }: Refused = {}): HublineError<RefusalCode> {
  const address = url && addressOf(url);
  const words = text.trim();
  // A page says nothing that an error could repeat.
  const said = words && !words.startsWith('<') ? ` ${words.slice(0, TEXT_LENGTH)}` : '';
  return new HublineError(
    codeOf(code ?? headers?.get(CODE_HEADER), CODES[status] ?? 'negotiation_failed') as RefusalCode,
    explained(message + (address ? ` (${address})` : '') + said, status),
    given({
      status: status || undefined,
      url: address,
      retryAfterMs: retryAfterMs(status, headers),
    }),
    { cause },
  );
}

/** The refusal that an answer is. */
export async function refusalOf(response: Response, url: URL): Promise<HublineError> {
  const { status, headers } = response;
  // It only explains.
  const text = await bodyOf(response).then(
    (body) => body.text(),
    () => '',
  );
  return refusal(`Unexpected status code '${status}'.`, { status, url, headers, text });
}

/** Seconds or a date (RFC 9110, 10.2.3), of a server that has too much to do. */
function retryAfterMs(status: number, headers: Refused['headers']): number | undefined {
  const value = headers?.get('retry-after') ?? '';
  const ms = Number(value) * 1000 || Date.parse(value) - Date.now();
  return ms > 0 && (status === 429 || status === 503) ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}

/** The text of an error and of what caused it: "fetch failed" says nothing. */
export function reasonOf(thrown: unknown): string {
  const { message, cause } = asError(thrown);
  return cause ? `${message} (${asError(cause).message})` : message;
}
