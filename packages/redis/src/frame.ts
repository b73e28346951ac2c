import { HublineError } from '@hubline/protocol';

/**
 * One published message: its payload, its sender's incarnation, and its sequence on the channel.
 *
 *     byte 0      version, 1
 *     byte 1      1 where the sequence begins anew on this channel, else 0
 *     bytes 2–7   sequence, unsigned, big-endian
 *     byte 8      length of the origin
 *     …           origin: an incarnation, ASCII
 *     …           payload
 */
export interface Frame {
  readonly origin: string;
  readonly sequence: number;
  /** The sender forgot the channel's earlier sequences: numbers missing before this one are no loss. */
  readonly isFirst: boolean;
  readonly payload: Uint8Array;
}

const VERSION = 1;
const FIXED_BYTES = 9;

export function encodeFrame({ origin, sequence, isFirst, payload }: Frame): Buffer {
  const payloadAt = FIXED_BYTES + origin.length;
  const bytes = Buffer.allocUnsafe(payloadAt + payload.length);
  bytes[0] = VERSION;
  bytes[1] = Number(isFirst);
  bytes.writeUIntBE(sequence, 2, 6);
  bytes[8] = origin.length;
  bytes.write(origin, FIXED_BYTES, 'latin1');
  bytes.set(payload, payloadAt);
  return bytes;
}

/** @throws HublineError `unsupported_version`, or `invalid_message` where it is too short */
export function decodeFrame(bytes: Buffer): Frame {
  const version = bytes[0] ?? 0;
  if (version !== VERSION) {
    throw new HublineError('unsupported_version', `A node sends frames of version ${version}; this one reads ${VERSION}.`, { version });
  }
  const payloadAt = FIXED_BYTES + (bytes[8] ?? 0);
  if (bytes.length < payloadAt) throw new HublineError('invalid_message', 'A frame between nodes is cut short.', { why: 'too short' });
  return {
    origin: bytes.toString('latin1', FIXED_BYTES, payloadAt),
    sequence: bytes.readUIntBE(2, 6),
    isFirst: bytes[1] === 1,
    payload: bytes.subarray(payloadAt),
  };
}
