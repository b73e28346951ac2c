import { RECORD_SEPARATOR, type Wire } from './codec.ts';
import { HublineError } from './errors.ts';
import { tooLarge } from './json-codec.ts';
import { parseJson } from './json-text.ts';

/** Client → server, first, once. `hubline` is ours: the version of our extensions; other servers ignore it. */
export interface HandshakeRequest {
  readonly protocol: string;
  readonly version: number;
  readonly hubline?: number;
}

/** Server → client, answers the request. With an `error` the server closes. `hubline` only where the client sent it. */
export interface HandshakeResponse {
  readonly error?: string;
  readonly hubline?: number;
  /** Ours: the largest message that the server takes, in bytes. */
  readonly maxMessageBytes?: number;
}

/** The version of the extensions that PROTOCOL.md describes. */
export const HUBLINE_VERSION = 1;

/** Both halves are JSON text ended by U+001E, whatever protocol follows. */
export const encodeHandshake = (half: HandshakeRequest | HandshakeResponse): string => JSON.stringify(half) + RECORD_SEPARATOR;

/**
 * Collects the first record of a connection. Feed it chunks until it returns the record with what follows it, which is
 * already hub messages. @throws HublineError `message_too_large`
 */
export class HandshakeReader {
  readonly #maxBytes: number;
  readonly #utf8 = new TextDecoder();
  #text = '';

  constructor(maxBytes = Infinity) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Wire): { readonly record: string; readonly rest: Wire } | undefined {
    const end = typeof chunk === 'string' ? chunk.indexOf(RECORD_SEPARATOR) : chunk.indexOf(0x1e);
    const head = end < 0 ? chunk : chunk.slice(0, end);
    this.#text += typeof head === 'string' ? head : this.#utf8.decode(head, { stream: end < 0 });
    if (this.#text.length > this.#maxBytes) throw tooLarge(this.#maxBytes);
    return end < 0 ? undefined : { record: this.#text, rest: chunk.slice(end + 1) };
  }
}

/** @throws HublineError `invalid_message` */
export function parseHandshakeRequest(record: string): HandshakeRequest {
  const text = 'The handshake request names no protocol and version.';
  const raw = objectIn(record, text);
  if (typeof raw.protocol !== 'string' || !Number.isSafeInteger(raw.version)) throw unexpected(text, record);
  return {
    protocol: raw.protocol,
    version: raw.version as number,
    ...(typeof raw.hubline === 'number' ? { hubline: raw.hubline } : {}),
  };
}

/** @throws HublineError `invalid_message`, also where the record is a hub message: the server skipped the handshake. */
export function parseHandshakeResponse(record: string): HandshakeResponse {
  const text = 'Expected a handshake response from the server.';
  const { type, error, hubline, maxMessageBytes } = objectIn(record, text);
  if (type || !(error === undefined || error === null || typeof error === 'string')) throw unexpected(text, record);
  return {
    ...(error ? { error } : {}),
    ...(typeof hubline === 'number' ? { hubline } : {}),
    ...(typeof maxMessageBytes === 'number' ? { maxMessageBytes } : {}),
  };
}

/**
 * The server's half, and what follows it in the chunk, which is already hub messages: no transport of a client cuts the
 * half in two. @throws HublineError `invalid_message`
 */
export function readHandshakeResponse(chunk: Wire): HandshakeResponse & { readonly rest: Wire } {
  const end = typeof chunk === 'string' ? chunk.indexOf(RECORD_SEPARATOR) : chunk.indexOf(0x1e);
  const half = chunk.slice(0, end);
  return { ...parseHandshakeResponse(typeof half === 'string' ? half : new TextDecoder().decode(half)), rest: chunk.slice(end + 1) };
}

function objectIn(record: string, text: string): Readonly<Record<string, unknown>> {
  const raw = parseJson(record);
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw unexpected(text, record);
  return raw as Readonly<Record<string, unknown>>;
}

const unexpected = (text: string, record: string): HublineError<'invalid_message'> =>
  new HublineError('invalid_message', text, { why: record.slice(0, 100) });
