import { HublineError } from '@hubline/protocol';

/** The version of the messages between nodes. A node refuses a version that it does not know. */
export const ENVELOPE_VERSION = 2;

/** A message between nodes: one byte of version, one of kind, the header's length (4 bytes, big-endian), JSON, bytes. */
export interface Envelope {
  readonly kind: EnvelopeKind;
  /** A JSON object; what it holds depends on the kind. */
  readonly header: object;
  /** Messages that are encoded for clients already, or written by them. */
  readonly body?: Uint8Array;
}

export const EnvelopeKind = {
  /** To a topic: hand the message in the body to the connections that the target names. */
  deliver: 1,
  /** To a node: a question or a command, which is replied to. */
  request: 2,
  reply: 3,
  /** To a node: no reply to a question is waited for any more. */
  cancel: 4,
  /** To the watchers of a topic: connections that joined, changed and left. */
  presence: 5,
  /** To a node: its message has a version that is not known here. In every version the first byte is that and the second the kind. */
  refused: 6,
} as const;
export type EnvelopeKind = (typeof EnvelopeKind)[keyof typeof EnvelopeKind];

const PREFIX_BYTES = 6;
const EMPTY = new Uint8Array();

export function encodeEnvelope({ kind, header, body = EMPTY }: Envelope): Uint8Array {
  const json = JSON.stringify(header);
  const headerBytes = Buffer.byteLength(json);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + headerBytes + body.length);
  bytes[0] = ENVELOPE_VERSION;
  bytes[1] = kind;
  bytes.writeUInt32BE(headerBytes, 2);
  bytes.write(json, PREFIX_BYTES);
  bytes.set(body, PREFIX_BYTES + headerBytes);
  return bytes;
}

/** @throws HublineError `unsupported_version`, or `invalid_message` where the bytes are not what the prefix says. */
export function decodeEnvelope(payload: Uint8Array): Required<Envelope> {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const version = bytes[0] ?? 0;
  if (version !== ENVELOPE_VERSION) {
    throw new HublineError('unsupported_version', `A node speaks version ${version}; this one speaks ${ENVELOPE_VERSION}.`, { version });
  }
  try {
    const bodyAt = PREFIX_BYTES + bytes.readUInt32BE(2);
    if (bodyAt > bytes.length) throw new RangeError('the header is longer than the message');
    const header: unknown = JSON.parse(bytes.toString('utf8', PREFIX_BYTES, bodyAt));
    if (typeof header !== 'object' || header === null) throw new TypeError('the header is no object');
    return { kind: bytes[1] as EnvelopeKind, header, body: bytes.subarray(bodyAt) };
  } catch (cause) {
    throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: String(cause) }, { cause });
  }
}
