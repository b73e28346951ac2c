/** WebSocket frames (RFC 6455, 5.2), with little code: the clients must cost less than the server that they measure. */
import { Buffer } from 'node:buffer';

const FINAL_TEXT = 0x81;
const MASKED = 0x80;
const EMPTY = Buffer.alloc(0);

/** Returns a frame of a server. */
export function serverFrame(text) {
  const body = Buffer.from(text);
  return Buffer.concat([header(body.length, 0), body]);
}

/** Returns a frame of a client. Its mask is zero, which is valid and changes nothing. */
export function clientFrame(text) {
  const body = Buffer.from(text);
  return Buffer.concat([header(body.length, MASKED), Buffer.alloc(4), body]);
}

function header(length, mask) {
  if (length < 126) return Buffer.from([FINAL_TEXT, mask | length]);
  const bytes = Buffer.from([FINAL_TEXT, mask | 126, 0, 0]);
  bytes.writeUInt16BE(length, 2);
  return bytes;
}

/** Finds the frames in the data of one socket, and delivers the payload of each: `deliver(bytes, start, end)`. */
export class FrameReader {
  #rest = EMPTY;

  push(chunk, deliver) {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (at + 2 <= bytes.length) {
      const short = bytes[at + 1];
      if (short === 127) throw new Error('A frame of 64 KiB was not expected.');
      const start = at + (short < 126 ? 2 : 4);
      if (start > bytes.length) break;
      const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2));
      if (end > bytes.length) break;
      if (bytes[at] !== FINAL_TEXT) throw new Error(`A frame that starts with ${bytes[at]} was not expected.`);
      deliver(bytes, start, end);
      at = end;
    }
    this.#rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at)); // a copy, because the chunk's memory is reused
  }
}
