import { RECORD_SEPARATOR, type Wire } from './codec.ts';
import { invalidMessage } from './errors.ts';
import { tooLarge } from './json-codec.ts';
import { parseJson } from './json-text.ts';

/** Client → server, the first message. `hubline` is the version of Hubline's extensions; other servers ignore it. */
export interface HandshakeRequest {
  readonly protocol: string;
  readonly version: number;
  readonly hubline?: number | undefined;
}

/** Server → client, answers the request. After an `error` the server closes. `hubline` is there if the client sent it. */
export interface HandshakeResponse {
  readonly error?: string | undefined;
  readonly hubline?: number | undefined;
  /** Addition of Hubline: the largest message that the server accepts, in bytes. */
  readonly maxMessageBytes?: number | undefined;
  /** Addition of Hubline: the public id of the connection, also without negotiation. */
  readonly connectionId?: string | undefined;
  /** Addition of Hubline: the name of the node that holds the connection. */
  readonly node?: string | undefined;
}

/** The version of the extensions that PROTOCOL.md describes. */
export const HUBLINE_VERSION = 1;

/** Encodes a request or response: JSON text ended by U+001E, for every protocol that follows. */
export const encodeHandshake = (half: HandshakeRequest | HandshakeResponse): string => JSON.stringify(half) + RECORD_SEPARATOR;

/**
 * Collects the handshake record of a connection. `push` returns it once it is complete, with the rest of the chunk, which holds hub
 * messages. @throws HublineError `message_too_large`
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

/** Parses the record of a request. @throws HublineError `invalid_message` */
export function parseHandshakeRequest(record: string): HandshakeRequest {
  const { protocol, version, hubline } = fieldsOf(record);
  if (typeof protocol !== 'string' || !Number.isSafeInteger(version)) {
    throw invalidMessage('The handshake request names no protocol and version.');
  }
  return { protocol, version: version as number, hubline: numberOf(hubline) };
}

/**
 * Parses the record of a response. `connectionId` and `node` are not checked: a client shows them, and trusts its server.
 * @throws HublineError `invalid_message`, also for a hub message: the server skipped the handshake
 */
export function parseHandshakeResponse(record: string): HandshakeResponse {
  const { type, error, hubline, maxMessageBytes, connectionId, node } = fieldsOf(record);
  if (type || typeof (error ?? '') !== 'string') throw invalidMessage('Expected a handshake response from the server.');
  return {
    error: (error as string) || undefined,
    hubline: numberOf(hubline),
    maxMessageBytes: numberOf(maxMessageBytes),
    connectionId: connectionId as string | undefined,
    node: node as string | undefined,
  };
}

/**
 * Parses the response at the start of a chunk. `rest` is the rest of the chunk, which holds hub messages. No transport of a client splits
 * the response over two chunks. @throws HublineError `invalid_message`
 */
export function readHandshakeResponse(chunk: Wire): HandshakeResponse & { readonly rest: Wire } {
  const end = typeof chunk === 'string' ? chunk.indexOf(RECORD_SEPARATOR) : chunk.indexOf(0x1e);
  const half = chunk.slice(0, end);
  return { ...parseHandshakeResponse(typeof half === 'string' ? half : new TextDecoder().decode(half)), rest: chunk.slice(end + 1) };
}

function fieldsOf(record: string): Readonly<Record<string, unknown>> {
  const raw = parseJson(record);
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw invalidMessage('Invalid handshake.');
  return raw as Readonly<Record<string, unknown>>;
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
