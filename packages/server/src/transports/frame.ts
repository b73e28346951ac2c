import type { Wire } from '@hubline/protocol';
import type { Format } from './batch.ts';

/** RFC 6455, 5.2. */
export const Opcode = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

const FINAL = 0x80;
/** The largest reason in a close frame, beside its code. */
const MAX_REASON_BYTES = 123;

/** All messages in one unmasked WebSocket frame (RFC 6455, 5.2): SignalR's frames are pieces of one stream. */
export const textFrame: Format = (messages) => frame(Opcode.text, messages);
export const binaryFrame: Format = (messages) => frame(Opcode.binary, messages);

export const controlFrame = (opcode: number, payload: Buffer = Buffer.alloc(0)): Buffer => frame(opcode, [payload]);

export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Math.min(Buffer.byteLength(reason), MAX_REASON_BYTES));
  payload.writeUInt16BE(code);
  const written = 2 + payload.write(reason, 2); // whole characters only
  return controlFrame(Opcode.close, payload.subarray(0, written));
}

function frame(opcode: number, messages: readonly Wire[]): Buffer {
  let length = 0;
  let units = 0;
  for (const message of messages) {
    length += byteLength(message);
    units += message.length;
  }
  const headerLength =
    length < 126 ? 2
    : length < 65_536 ? 4
    : 10;
  const bytes = Buffer.allocUnsafe(headerLength + length);
  bytes[0] = FINAL | opcode;
  if (headerLength === 2) {
    bytes[1] = length;
  } else if (headerLength === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    bytes.writeUInt32BE(length >>> 0, 6);
  }
  let at = headerLength;
  // Latin-1 is copied, UTF-8 is encoded: ASCII is the same in both.
  const encoding = length === units ? 'latin1' : 'utf8';
  for (const message of messages) {
    if (typeof message === 'string') {
      at += bytes.write(message, at, encoding);
    } else {
      bytes.set(message, at);
      at += message.length;
    }
  }
  return bytes;
}

const byteLength = (message: Wire): number => (typeof message === 'string' ? Buffer.byteLength(message) : message.length);
