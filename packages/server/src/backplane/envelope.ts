import { HublineError } from '@hubline/protocol';

/** The version of the envelopes. A node refuses other versions. */
export const ENVELOPE_VERSION = 2;

/** A message between nodes. Encoded: version and kind (1 byte each), length of the header (4 bytes, big-endian), header as JSON, body. */
export interface Envelope {
  readonly kind: EnvelopeKind;
  /** A JSON object; its fields depend on the kind. */
  readonly header: object;
  /** Hub messages in the encoding of clients. */
  readonly body?: Uint8Array;
}

export const EnvelopeKind = {
  /** To a topic or a node: deliver the message in the body to the connections of the target. */
  deliver: 1,
  /** To a node: a request or a remote command, which the node replies to. */
  request: 2,
  reply: 3,
  /** To a node: the requester does not wait for replies any more. */
  cancel: 4,
  /** To the watchers of a topic: connections that joined, changed and left. */
  presence: 5,
  /** To a node: its message has a version that this node does not know. In every version the first byte is the version, the second the kind. */
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

/** @throws HublineError `unsupported_version`, or `invalid_message` if the bytes are no envelope */
export function decodeEnvelope(payload: Uint8Array): Required<Envelope> {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const version = bytes[0] ?? 0;
  if (version !== ENVELOPE_VERSION) {
    throw new HublineError('unsupported_version', `A node sent version ${version}; this node speaks version ${ENVELOPE_VERSION}.`, {
      version,
    });
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
