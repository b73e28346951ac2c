import { explained } from '#diagnostics';
import { asError, CODE_HEADER, given, HublineError } from '@hubline/protocol';
import { readBody } from './response-body.ts';
import { addressOf } from './hub-url.ts';
import { codeOf } from './remote-error.ts';

/** The codes of errors that {@link refusal} creates. */
type RefusalCode = 'unauthorized' | 'forbidden' | 'negotiation_failed' | 'wrong_node' | 'already_connected';

export interface RefusalDetails {
  /** The server's error code, if it is not in the headers. */
  readonly code?: string | undefined;
  readonly status?: number | undefined;
  readonly url?: URL | undefined;
  /** The headers of the response. */
  readonly headers?: { get(name: string): string | null } | undefined;
  /** The text of the response. */
  readonly text?: string | undefined;
  readonly cause?: unknown;
}

/** The longest delay that a server may ask for. */
const MAX_RETRY_AFTER_MS = 600_000;
/** How many characters of a response an error shows. */
const TEXT_LENGTH = 200;

const CODES: Readonly<Record<number, RefusalCode | undefined>> = { 401: 'unauthorized', 403: 'forbidden' };

/** Creates the error for a connection that could not be opened. Without a code of the server, 401 and 403 have codes of their own. */
export function refusal(
  message: string,
  { code, status = 0, url, headers, text = '', cause }: RefusalDetails = {},
): HublineError<RefusalCode> {
  const address = url && addressOf(url);
  const words = text.trim();
  // A response that is a page of HTML explains nothing in an error text.
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

/** Creates the error for a response that refuses a request. */
export async function refusalOf(response: Response, url: URL): Promise<HublineError> {
  const { status, headers } = response;
  // The text only explains, so a failure to read it is ignored.
  const text = await readBody(response).then(
    (body) => body.text(),
    () => '',
  );
  return refusal(`Unexpected status code '${status}'.`, { status, url, headers, text });
}

/** Reads `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3), of a response with the status 429 or 503. */
function retryAfterMs(status: number, headers: RefusalDetails['headers']): number | undefined {
  const value = headers?.get('retry-after') ?? '';
  const ms = Number(value) * 1000 || Date.parse(value) - Date.now();
  return ms > 0 && (status === 429 || status === 503) ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}

/** Returns the text of an error with that of its cause: the message "fetch failed" alone explains nothing. */
export function reasonOf(thrown: unknown): string {
  const { message, cause } = asError(thrown);
  return cause ? `${message} (${asError(cause).message})` : message;
}
