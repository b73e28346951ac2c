/** WebSocket frames (RFC 6455, 5.2), with little code: the clients must cost less than the server that they measure. */
import { Buffer } from 'node:buffer';

const FINAL = 0x80;
const TEXT = 1;
const PING = 9;
const PONG = 10;
const MASKED = 0x80;
const EMPTY = Buffer.alloc(0);

/** Returns a text frame of a server. */
export function serverFrame(text) {
  const body = Buffer.from(text);
  return Buffer.concat([header(TEXT, body.length, 0), body]);
}

/** Returns a text frame of a client. Its mask is zero, which is valid and changes nothing. */
export function clientFrame(text) {
  return maskedFrame(TEXT, Buffer.from(text));
}

const maskedFrame = (opcode, body) => Buffer.concat([header(opcode, body.length, MASKED), Buffer.alloc(4), body]);

function header(opcode, length, mask) {
  if (length < 126) return Buffer.from([FINAL | opcode, mask | length]);
  const bytes = Buffer.from([FINAL | opcode, mask | 126, 0, 0]);
  bytes.writeUInt16BE(length, 2);
  return bytes;
}

/** Finds the messages in the data of one socket, and delivers the payload of each: `deliver(bytes, start, end)`. Answers pings. */
export class FrameReader {
  #rest = EMPTY;
  #fragments = [];
  #write;

  /** @param write Writes bytes to the socket. */
  constructor(write) {
    this.#write = write;
  }

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
      if (bytes[at] === (FINAL | TEXT)) deliver(bytes, start, end);
      else this.#take(bytes[at], bytes.subarray(start, end), deliver);
      at = end;
    }
    this.#rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at)); // a copy, because the chunk's memory is reused
  }

  /** Handles a control frame or a fragment. ASP.NET Core sends a message that spans two of its buffers in fragments. */
  #take(first, body, deliver) {
    if (first === (FINAL | PING)) return this.#write(maskedFrame(PONG, body));
    if ((first & ~FINAL) > TEXT) throw new Error(`A frame that starts with ${first} was not expected.`);
    this.#fragments.push(Buffer.from(body)); // a copy for the same reason
    if ((first & FINAL) === 0) return;
    const whole = Buffer.concat(this.#fragments);
    this.#fragments = [];
    deliver(whole, 0, whole.length);
  }
}
