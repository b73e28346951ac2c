import { isAscii, isUtf8 } from 'node:buffer';
import { Opcode } from './frame.ts';

/** Receives the contents of a client's frames as they arrive: payloads are not buffered, whatever length a frame declares. */
export interface FrameListener {
  /** A piece of a text message; `isEnd` with its last one, which may be empty. */
  text(piece: string, isEnd: boolean): void;
  /** A piece of a binary message, which is a view of the chunk that was read. */
  binary(piece: Buffer, isEnd: boolean): void;
  ping(payload: Buffer): void;
  pong(): void;
  /** The last frame of the peer. Without a code it is 1005 (RFC 6455, 7.1.5). */
  peerClosed(code: number): void;
}

/** A frame that breaks RFC 6455, and the code to close with. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly closeCode: number;

  constructor(closeCode: number, message: string) {
    super(`Invalid WebSocket frame: ${message}.`);
    this.closeCode = closeCode;
  }
}

const PROTOCOL_ERROR = 1002;
const INVALID_PAYLOAD = 1007;
const TOO_LARGE = 1009;
const NO_CODE = 1005;

/** Two bytes, up to eight for the length, four for the mask. */
const MAX_HEADER_BYTES = 14;
const MASK_BYTES = 4;
const MAX_CONTROL_BYTES = 125;

/** The frame that is being read. */
interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly mask: readonly [number, number, number, number];
  /** Bytes of the payload that have not arrived. */
  left: number;
  /** The position in the mask of the next byte. */
  taken: number;
}

/** The header that is being read. All sockets share the buffer, since a header is read synchronously. */
const header = Buffer.alloc(MAX_HEADER_BYTES);

/** Reads a client's frames (RFC 6455, section 5): each masked, in any number and fragments, cut anywhere. */
export class FrameReader {
  readonly #listener: FrameListener;
  /** The start of a header whose end has not arrived. */
  #partialHeader: Buffer | undefined;
  #frame: Frame | undefined;
  /** The opcode of the message whose end has not arrived. Control frames may come in between. */
  #message: number | undefined;
  #control: Buffer | undefined;
  /** Decodes a text that arrives in pieces. */
  #utf8: InstanceType<typeof TextDecoder> | undefined;
  #isOver = false;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** Reads a chunk, which is unmasked in place. Frames before a broken one are delivered. @throws FrameError; the reader is then unusable. */
  push(chunk: Buffer): void {
    let at = 0;
    while (!this.#isOver) {
      if (!this.#frame) {
        at = this.#readHeader(chunk, at);
        if (!this.#frame) return;
      }
      const frame: Frame = this.#frame;
      const piece = chunk.subarray(at, at + Math.min(frame.left, chunk.length - at));
      if (piece.length === 0 && frame.left > 0) return;
      at += piece.length;
      unmask(piece, frame);
      if (frame.left === 0) this.#frame = undefined;
      this.#take(frame, piece);
    }
  }

  /** Returns the start of the payload, or the end of the chunk. */
  #readHeader(chunk: Buffer, start: number): number {
    let length = this.#partialHeader?.copy(header) ?? 0;
    this.#partialHeader = undefined;
    for (let at = start; at < chunk.length;) {
      header[length++] = chunk[at++]!;
      if (length === 2) this.#checkHeader();
      if (length < 2 || length < headerLength(header[1]!)) continue;
      this.#frame = frameOf(length);
      return at;
    }
    if (length > 0) this.#partialHeader = Buffer.from(header.subarray(0, length));
    return chunk.length;
  }

  #checkHeader(): void {
    const [first = 0, second = 0] = header;
    const opcode = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0) throw new FrameError(PROTOCOL_ERROR, 'reserved bits must be clear');
    if ((second & 0x80) === 0) throw new FrameError(PROTOCOL_ERROR, 'MASK must be set');
    if (opcode === Opcode.continuation) {
      if (this.#message === undefined) throw new FrameError(PROTOCOL_ERROR, 'a continuation continues nothing');
    } else if (opcode === Opcode.text || opcode === Opcode.binary) {
      if (this.#message !== undefined) throw new FrameError(PROTOCOL_ERROR, 'a message begins inside another one');
      this.#message = opcode;
    } else if (opcode === Opcode.close || opcode === Opcode.ping || opcode === Opcode.pong) {
      if (!isFinal) throw new FrameError(PROTOCOL_ERROR, 'a control frame is fragmented');
      if ((second & 0x7f) > MAX_CONTROL_BYTES) throw new FrameError(PROTOCOL_ERROR, 'a control frame is too long');
    } else {
      throw new FrameError(PROTOCOL_ERROR, `opcode ${opcode} is unknown`);
    }
  }

  #take(frame: Frame, piece: Buffer): void {
    if (frame.opcode >= Opcode.close) return this.#takeControl(frame, piece);
    const isEnd = frame.isFinal && frame.left === 0;
    const message = this.#message;
    if (isEnd) this.#message = undefined;
    if (message === Opcode.text) this.#listener.text(this.#textOf(piece, isEnd), isEnd);
    else this.#listener.binary(piece, isEnd);
  }

  /** Decodes a piece of text. A whole text needs no decoder of its own. */
  #textOf(piece: Buffer, isEnd: boolean): string {
    if (isEnd && !this.#utf8) {
      if (isAscii(piece)) return piece.toString('latin1'); // half the time of decoding UTF-8
      if (!isUtf8(piece)) throw invalidText();
      return piece.toString();
    }
    this.#utf8 ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    try {
      return this.#utf8.decode(piece, { stream: !isEnd });
    } catch {
      throw invalidText();
    } finally {
      if (isEnd) this.#utf8 = undefined;
    }
  }

  #takeControl({ opcode, left }: Frame, piece: Buffer): void {
    const payload = Buffer.concat(this.#control ? [this.#control, piece] : [piece]); // copied, as it would keep its whole chunk
    this.#control = payload;
    if (left > 0) return;
    this.#control = undefined;
    if (opcode === Opcode.ping) return this.#listener.ping(payload);
    if (opcode === Opcode.pong) return this.#listener.pong();
    const code = closeCodeOf(payload);
    this.#isOver = true; // nothing follows a close (5.5.1)
    this.#listener.peerClosed(code);
  }
}

/** Returns the frame of the complete header in memory. */
function frameOf(length: number): Frame {
  const at = length - MASK_BYTES;
  const mask = [header[at]!, header[at + 1]!, header[at + 2]!, header[at + 3]!] as const;
  return { opcode: header[0]! & 0x0f, isFinal: header[0]! >= 0x80, mask, left: payloadLength(), taken: 0 };
}

/** Returns the length of a header by its second byte. */
function headerLength(second: number): number {
  const length = second & 0x7f;
  if (length < 126) return 2 + MASK_BYTES;
  return (length === 126 ? 4 : 10) + MASK_BYTES;
}

function payloadLength(): number {
  const length = header[1]! & 0x7f;
  if (length < 126) return length;
  if (length === 126) return header.readUInt16BE(2);
  const high = header.readUInt32BE(2);
  if (high >= 2 ** 21) throw new FrameError(TOO_LARGE, 'a payload is longer than 2^53 - 1 bytes');
  return high * 2 ** 32 + header.readUInt32BE(6);
}

function unmask(piece: Buffer, frame: Frame): void {
  const { mask, taken } = frame;
  const { length } = piece;
  frame.taken = (taken + length) & 3;
  frame.left -= length;
  if ((mask[0] | mask[1] | mask[2] | mask[3]) === 0) return;
  for (let i = 0; i < length; i++) piece[i]! ^= mask[((taken + i) & 3) as 0 | 1 | 2 | 3];
}

/** Returns the code of a close frame (RFC 6455, 7.4). @throws FrameError */
function closeCodeOf(payload: Buffer): number {
  if (payload.length === 0) return NO_CODE;
  if (payload.length === 1) throw new FrameError(PROTOCOL_ERROR, 'a close code has two bytes');
  const code = payload.readUInt16BE();
  const isDefined = (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
  if (!isDefined) throw new FrameError(PROTOCOL_ERROR, `${code} is no close code`);
  if (!isUtf8(payload.subarray(2))) throw invalidText();
  return code;
}

const invalidText = (): FrameError => new FrameError(INVALID_PAYLOAD, 'a text is not UTF-8');
