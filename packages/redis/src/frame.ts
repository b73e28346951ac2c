import { damaged, unsupported } from './decoding.ts';
import type { Incarnation } from './keys.ts';
import { isIncarnation, VERSION } from './values.ts';

/**
 * A published message, or a message of the repair protocol, with its sender's incarnation and its sequence on the channel.
 *
 *     byte 0      version, 2
 *     byte 1      kind
 *     bytes 2–7   sequence, unsigned, big-endian; 0 for messages of the repair protocol
 *     byte 8      length of the origin
 *     …           origin: an incarnation, ASCII
 *     …           payload
 */
export interface Frame {
  readonly kind: FrameKind;
  readonly origin: Incarnation;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export type FrameKind = (typeof KIND)[keyof typeof KIND];

export const KIND = {
  message: 0,
  /** The sender begins on this channel, or has forgotten its earlier sequences: numbers missing before this one are no loss. */
  firstMessage: 1,
  /** The sender keeps a copy for some seconds: a receiver that misses the frame may request it. */
  keptMessage: 2,
  firstKeptMessage: 3,
  /** Requests frames from the owner of the channel, see {@link encodeAsk}. */
  ask: 4,
  /** Answers such a request, see {@link encodeAnswer}. */
  answer: 5,
  /** The last sequences that the sender has used on the receiver's channel, see {@link encodeClaims}. */
  claims: 6,
} as const;

const KINDS: ReadonlySet<number> = new Set(Object.values(KIND));

export const isMessage = (kind: FrameKind): boolean => kind <= KIND.firstKeptMessage;
export const isFirst = (kind: FrameKind): boolean => kind === KIND.firstMessage || kind === KIND.firstKeptMessage;
export const isKept = (kind: FrameKind): boolean => kind === KIND.keptMessage || kind === KIND.firstKeptMessage;

const FIXED_BYTES = 9;

export function encodeFrame({ kind, origin, sequence, payload }: Frame, allocate: (length: number) => Buffer = Buffer.allocUnsafe): Buffer {
  const payloadAt = FIXED_BYTES + origin.length;
  const bytes = allocate(payloadAt + payload.length);
  bytes[0] = VERSION;
  bytes[1] = kind;
  bytes.writeUIntBE(sequence, 2, 6);
  bytes[8] = origin.length;
  bytes.write(origin, FIXED_BYTES, 'latin1');
  bytes.set(payload, payloadAt);
  return bytes;
}

/** @throws HublineError `unsupported_version`, or `invalid_message` for a field that cannot be right */
export function decodeFrame(bytes: Buffer): Frame {
  const version = bytes[0] ?? 0;
  if (version !== VERSION) throw unsupported('frame', version, VERSION);
  const payloadAt = FIXED_BYTES + (bytes[8] ?? 0);
  if (bytes.length < payloadAt) throw damaged('frame', 'too short');
  const kind = bytes[1] as FrameKind;
  if (!KINDS.has(kind)) throw damaged('frame', `kind ${kind}`);
  const origin = bytes.toString('latin1', FIXED_BYTES, payloadAt);
  if (!isIncarnation(origin)) throw damaged('frame', 'no incarnation');
  const sequence = bytes.readUIntBE(2, 6);
  if (isMessage(kind) && sequence === 0) throw damaged('frame', 'no sequence');
  return { kind, origin, sequence, payload: bytes.subarray(payloadAt) };
}
