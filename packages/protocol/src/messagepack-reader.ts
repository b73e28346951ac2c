import { invalidMessage } from './errors.ts';
import { MAX_DEPTH, tooDeep } from './json-text.ts';
import { ExtensionData, TIMESTAMP, type Extension } from './messagepack-extension.ts';

/** Up to this length a loop is faster than a call into the runtime (measured in Node 20). */
const SHORT_TEXT = 24;
// Without `ignoreBOM` the decoder drops a U+FEFF at the start of a text.
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads one MessagePack value, which shares no memory with the bytes. Checks every length against the bytes that are there. */
export class MessagePackReader {
  readonly #extensions: readonly Extension[];
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array, extensions: readonly Extension[]) {
    this.#bytes = bytes;
    this.#extensions = extensions;
  }

  /** Reads the value. @throws HublineError `invalid_message`, and any error of an extension */
  read(): unknown {
    const value = this.#value(0);
    if (this.#at < this.#bytes.length) throw invalidMessage('There are bytes after the message.');
    return value;
  }

  #value(depth: number): unknown {
    const token = this.#uint(1);
    if (token < 0x80) return token;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#array(token & 0x0f, depth);
    if (token < 0xc0) return this.#text(token & 0x1f);
    if (token >= 0xe0) return token - 0x100;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#uint(1 << (token - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (token - 0xc7)));
      case 0xca:
        return this.#view(4).getFloat32(0);
      case 0xcb:
        return this.#view(8).getFloat64(0);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (token - 0xcc));
      case 0xcf:
        return this.#long(this.#uint(4));
      case 0xd0:
        return (this.#uint(1) << 24) >> 24;
      case 0xd1:
        return (this.#uint(2) << 16) >> 16;
      case 0xd2:
        return this.#uint(4) | 0;
      case 0xd3:
        return this.#long(this.#uint(4) | 0);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (token - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (token - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (token - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (token - 0xde)), depth);
      default:
        throw invalidMessage(`The byte 0x${token.toString(16)} begins no MessagePack value.`);
    }
  }

  #array(count: number, depth: number): unknown[] {
    this.#expect(count, depth);
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) items.push(this.#value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#expect(count * 2, depth);
    const object: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#value(depth + 1);
      // .NET writes dictionaries with numbers as keys. They become texts here, as in JSON.
      if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint')
        throw invalidMessage('A key is no text and no number.');
      const value = this.#value(depth + 1);
      // Merged into another object this property would become its prototype.
      if (key !== '__proto__') object[String(key)] = value;
    }
    return object;
  }

  #text(length: number): string {
    const start = this.#take(length);
    const bytes = this.#bytes;
    if (length <= SHORT_TEXT) {
      let text = '';
      let at = start;
      for (let byte; at < this.#at && (byte = bytes[at]!) < 0x80; at++) text += String.fromCharCode(byte);
      if (at === this.#at) return text;
    }
    return UTF8.decode(bytes.subarray(start, this.#at));
  }

  #binary(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, this.#at)); // a copy; `slice` of a Buffer would be a view
  }

  #extension(length: number): unknown {
    const type = (this.#uint(1) << 24) >> 24;
    if (type === TIMESTAMP) return this.#date(length);
    const data = this.#binary(length);
    const extension = this.#extensions.find((each) => each.type === type);
    return extension ? extension.decode(data) : new ExtensionData(type, data);
  }

  #date(length: number): Date {
    let nanoseconds = 0;
    let seconds: number | bigint;
    if (length === 4) {
      seconds = this.#uint(4);
    } else if (length === 8) {
      const high = this.#uint(4);
      nanoseconds = high >>> 2;
      seconds = (high & 3) * 2 ** 32 + this.#uint(4);
    } else if (length === 12) {
      nanoseconds = this.#uint(4);
      seconds = this.#long(this.#uint(4) | 0);
    } else {
      throw invalidMessage('Invalid timestamp.');
    }
    const date = new Date(Number(seconds) * 1000 + Math.floor(nanoseconds / 1e6));
    if (nanoseconds > 999_999_999 || Number.isNaN(date.getTime())) throw invalidMessage('Invalid timestamp.');
    return date;
  }

  /** Reads the lower half of a 64-bit integer. Returns a number if that is exact, otherwise a bigint. */
  #long(high: number): number | bigint {
    const low = this.#uint(4);
    const number = high * 2 ** 32 + low;
    return Number.isSafeInteger(number) ? number : (BigInt(high) << 32n) + BigInt(low);
  }

  #uint(size: number): number {
    let value = 0;
    for (let at = this.#take(size); at < this.#at; at++) value = (value << 8) | this.#bytes[at]!;
    return value >>> 0;
  }

  #view(size: number): DataView {
    const { buffer, byteOffset } = this.#bytes;
    return new DataView(buffer, byteOffset + this.#take(size), size);
  }

  /** Advances by `size` bytes. Returns the position where they begin. */
  #take(size: number): number {
    const start = this.#at;
    if (size > this.#bytes.length - start) throw incomplete();
    this.#at += size;
    return start;
  }

  /** Checks a number of values: each needs a byte at least, so a short message cannot announce millions of values. */
  #expect(count: number, depth: number): void {
    if (count > this.#bytes.length - this.#at) throw incomplete();
    if (depth === MAX_DEPTH) throw tooDeep();
  }
}

const incomplete = () => invalidMessage('Incomplete message.');
