import { asError, given, HublineError, tooLarge, type ErrorDetails } from '@hubline/protocol';
import { addressOf } from './hub-url.ts';
import { codeOf } from './remote-error.ts';

/** Codes of a connection that does not come about; their details are those of {@link refusal}. */
type RefusalCode = 'unauthorized' | 'forbidden' | 'negotiation_failed' | 'wrong_node' | 'already_connected';

export interface Refused {
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
/** How much of an answer that is a refusal is read, and shown. */
const TEXT_BYTES = 65_536;
const TEXT_LENGTH = 200;

/** Why there is no connection. The HTTP statuses 401 and 403 are verdicts, everything else may pass. */
export function refusal(message: string, { status, url, headers, text = '', cause }: Refused = {}): HublineError<RefusalCode> {
  const byStatus =
    status === 401 ? 'unauthorized'
    : status === 403 ? 'forbidden'
    : 'negotiation_failed';
  const words = text.trim();
  // A page says nothing that an error could repeat.
  const said = words && !words.startsWith('<') ? ` ${words.slice(0, TEXT_LENGTH)}` : '';
  const details = given({
    status,
    url: url && addressOf(url),
    retryAfterMs: retryAfterMs(status, headers?.get('retry-after')),
  }) as ErrorDetails['negotiation_failed'];
  return new HublineError<RefusalCode>(
    codeOf(headers?.get('hubline-code') ?? undefined, byStatus) as RefusalCode,
    `${message}${details.url ? ` (${details.url})` : ''}${said}`,
    details,
    { cause },
  );
}

/** The refusal that an answer is. */
export async function refusalOf(response: Response, message: string, url: URL): Promise<HublineError> {
  const { status, headers } = response;
  const text = await bodyOf(response, TEXT_BYTES).catch(() => ''); // it only explains
  return refusal(message, { status, url, headers, text });
}

/** Seconds or a date (RFC 9110, 10.2.3), of a server that has too much to do. */
function retryAfterMs(status: number | undefined, value: string | null | undefined): number | undefined {
  if (!value || (status !== 429 && status !== 503)) return undefined;
  const seconds = Number(value);
  const ms = Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1000;
  return ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
}

/** A body, as far as it has no more bytes than these. @throws HublineError `message_too_large` */
export async function bytesOf(response: Response, maxBytes: number): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  // React Native has no streams.
  if (!reader) return new Uint8Array(await response.arrayBuffer());
  const parts: BlobPart[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    length += value.length;
    parts.push(value);
    if (length <= maxBytes) continue;
    await reader.cancel();
    throw tooLarge(maxBytes);
  }
}

/** The same as text. */
export const bodyOf = async (response: Response, maxBytes: number): Promise<string> =>
  response.body ? new TextDecoder().decode(await bytesOf(response, maxBytes)) : response.text();

/** The text of an error and of what caused it: "fetch failed" says nothing. */
export function reasonOf(thrown: unknown): string {
  const { message, cause } = asError(thrown);
  return cause ? `${message} (${asError(cause).message})` : message;
}
