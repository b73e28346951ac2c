import { HublineError } from './errors.ts';
import { MAX_DEPTH } from './json-text.ts';
import { ExtensionData, TIMESTAMP, type Extension } from './messagepack-extension.ts';
import { unencodableKind } from './unencodable.ts';

const FIRST_BYTES = 2048;
/** The largest buffer that a writer keeps between messages, so that one large message does not hold its memory for ever. */
const KEPT_BYTES = 256 * 1024;
/** Up to this length a loop is faster than a call into the runtime (measured in Node 20). */
const SHORT_TEXT = 64;
const UTF8 = new TextEncoder();

/** Writes values as MessagePack, one at a time, into a buffer that it reuses. */
export class MessagePackWriter {
  readonly #extensions: readonly Extension[];
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** The position of the writer in the value: an index or key for each level. */
  readonly #trail: (number | string)[] = [];

  constructor(extensions: readonly Extension[]) {
    this.#extensions = extensions;
  }

  /** Returns bytes that are valid until the next call. @throws HublineError `not_encodable`, and any error of getters and `toJSON` */
  write(value: unknown): Uint8Array {
    if (this.#bytes.length > KEPT_BYTES) this.#use(new Uint8Array(FIRST_BYTES));
    this.#at = 0;
    this.#value(value, 0);
    return this.#bytes.subarray(0, this.#at);
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return this.#number(value);
      case 'boolean':
        return this.#byte(value ? 0xc3 : 0xc2);
      case 'undefined':
        return this.#byte(0xc0);
      case 'bigint':
        return this.#bigint(value, depth);
      case 'object':
        return value === null ? this.#byte(0xc0) : this.#object(value, depth);
      default:
        throw this.#refused(typeof value, depth);
    }
  }

  #object(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null && this.#special(value, depth)) return;
    if (depth === MAX_DEPTH) throw this.#refused(`value of more than ${MAX_DEPTH} levels, or a cycle`, 0);
    if (Array.isArray(value)) return this.#array(value, depth);
    // `toJSON` applies here as in JSON, so peers of both protocols get the same value.
    const { toJSON } = value as { readonly toJSON?: unknown };
    if (typeof toJSON === 'function') this.#value(toJSON.call(value, ''), depth + 1);
    else this.#map(value as Readonly<Record<string, unknown>>, depth);
  }

  #array(items: readonly unknown[], depth: number): void {
    this.#collection(items.length, 0x90, 0xdc);
    for (let i = 0; i < items.length; i++) {
      this.#trail[depth] = i;
      this.#value(items[i], depth + 1);
    }
  }

  /** Leaves out undefined values, as JSON does. */
  #map(object: Readonly<Record<string, unknown>>, depth: number): void {
    const keys = Object.keys(object);
    let count = 0;
    for (const key of keys) if (object[key] !== undefined) count++;
    this.#collection(count, 0x80, 0xde);
    for (const key of keys) {
      const value = object[key];
      if (value === undefined) continue;
      this.#text(key);
      this.#trail[depth] = key;
      this.#value(value, depth + 1);
    }
  }

  /** Writes an object that has a form of its own in MessagePack; returns false for any other. */
  #special(value: object, depth: number): boolean {
    if (value instanceof Uint8Array) this.#binary(value);
    else if (value instanceof ArrayBuffer) this.#binary(new Uint8Array(value));
    else if (value instanceof Date) this.#date(value, depth);
    else if (value instanceof ExtensionData) this.#extension(value.type, value.data);
    else return this.#extended(value) || this.#isPlain(value, depth);
    return true;
  }

  #extended(value: object): boolean {
    for (const { type, encode } of this.#extensions) {
      const data = encode(value);
      if (!data) continue;
      this.#extension(type, data);
      return true;
    }
    return false;
  }

  /** Returns false. @throws HublineError `not_encodable` if a plain object would not keep the content of the value */
  #isPlain(value: object, depth: number): false {
    const found = unencodableKind(value);
    if (found) throw this.#refused(found, depth);
    return false;
  }

  #text(text: string): void {
    const { length } = text;
    this.#reserve(5 + length * 3);
    const bytes = this.#bytes;
    const start = this.#at;
    // Most texts have as many bytes as UTF-16 units. Others may move when their length is known.
    const guess = start + headerBytes(length);
    let at = guess;
    let i = 0;
    if (length <= SHORT_TEXT) {
      for (let unit; i < length && (unit = text.charCodeAt(i)) < 0x80; i++) bytes[at++] = unit;
    }
    if (i < length) at += UTF8.encodeInto(i > 0 ? text.slice(i) : text, bytes.subarray(at)).written;
    const written = at - guess;
    const moved = start + headerBytes(written) - guess;
    if (moved > 0) bytes.copyWithin(guess + moved, guess, at);
    if (written < 32) this.#byte(0xa0 | written);
    else if (written < 0x100) this.#uint(0xd9, written, 1);
    else if (written < 0x1_0000) this.#uint(0xda, written, 2);
    else this.#uint(0xdb, written, 4);
    this.#at += written;
  }

  /** Writes integers of any size as integers: .NET does not read a float as a long. */
  #number(value: number): void {
    if (!Number.isSafeInteger(value)) return this.#float(value);
    if (value >= 0) {
      if (value < 0x80) this.#byte(value);
      else if (value < 0x100) this.#uint(0xcc, value, 1);
      else if (value < 0x1_0000) this.#uint(0xcd, value, 2);
      else if (value < 0x1_0000_0000) this.#uint(0xce, value, 4);
      else this.#uint(0xcf, value, 8);
    } else if (value >= -0x20) this.#byte(value);
    else if (value >= -0x80) this.#uint(0xd0, value, 1);
    else if (value >= -0x8000) this.#uint(0xd1, value, 2);
    else if (value >= -0x8000_0000) this.#uint(0xd2, value, 4);
    else this.#uint(0xd3, value, 8);
  }

  #float(value: number): void {
    this.#byte(0xcb);
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  #bigint(value: bigint, depth: number): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return this.#number(number);
    const isSigned = value < 0n;
    if (isSigned ? BigInt.asIntN(64, value) !== value : BigInt.asUintN(64, value) !== value) {
      throw this.#refused('bigint of more than 64 bits', depth);
    }
    this.#byte(isSigned ? 0xd3 : 0xcf);
    this.#reserve(8);
    this.#view.setBigUint64(this.#at, BigInt.asUintN(64, value));
    this.#at += 8;
  }

  #binary(data: Uint8Array): void {
    const { length } = data;
    if (length < 0x100) this.#uint(0xc4, length, 1);
    else if (length < 0x1_0000) this.#uint(0xc5, length, 2);
    else this.#uint(0xc6, length, 4);
    this.#raw(data);
  }

  #date(date: Date, depth: number): void {
    const ms = date.getTime();
    if (Number.isNaN(ms)) throw this.#refused('invalid Date', depth);
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = (ms - seconds * 1000) * 1e6;
    if (seconds >= 0 && seconds < 2 ** 34) {
      if (nanoseconds === 0 && seconds < 2 ** 32) {
        this.#extensionHeader(TIMESTAMP, 4);
        return this.#int(seconds, 4);
      }
      this.#extensionHeader(TIMESTAMP, 8);
      this.#int(nanoseconds * 4 + Math.floor(seconds / 2 ** 32), 4);
      return this.#int(seconds, 4);
    }
    this.#extensionHeader(TIMESTAMP, 12);
    this.#int(nanoseconds, 4);
    this.#int(seconds, 8);
  }

  #extension(type: number, data: Uint8Array): void {
    this.#extensionHeader(type, data.length);
    this.#raw(data);
  }

  #extensionHeader(type: number, length: number): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(length);
    if (fixed >= 0) this.#byte(0xd4 + fixed);
    else if (length < 0x100) this.#uint(0xc7, length, 1);
    else if (length < 0x1_0000) this.#uint(0xc8, length, 2);
    else this.#uint(0xc9, length, 4);
    this.#byte(type);
  }

  #collection(count: number, short: number, long: number): void {
    if (count < 16) this.#byte(short | count);
    else if (count < 0x1_0000) this.#uint(long, count, 2);
    else this.#uint(long + 1, count, 4);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  #uint(token: number, value: number, size: number): void {
    this.#byte(token);
    this.#int(value, size);
  }

  /** Writes the lowest `size` bytes of an integer, which may be negative. */
  #int(value: number, size: number): void {
    this.#reserve(size);
    if (size === 8) {
      this.#view.setInt32(this.#at, Math.floor(value / 2 ** 32));
      this.#at += 4;
    }
    for (let shift = Math.min(size, 4) * 8 - 8; shift >= 0; shift -= 8) this.#bytes[this.#at++] = value >>> shift;
  }

  #raw(data: Uint8Array): void {
    this.#reserve(data.length);
    this.#bytes.set(data, this.#at);
    this.#at += data.length;
  }

  #reserve(size: number): void {
    const needed = this.#at + size;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#use(larger);
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #refused(found: string, depth: number): HublineError<'not_encodable'> {
    const path = this.#trail
      .slice(0, depth)
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
      .join('');
    return new HublineError('not_encodable', `MessagePack has no way to write the ${found}${path && ` at ${path}`}.`, { path, found });
  }
}

/** The size of the header of a text with `length` bytes. */
const headerBytes = (length: number): number =>
  length < 32 ? 1
  : length < 0x100 ? 2
  : length < 0x1_0000 ? 3
  : 5;
