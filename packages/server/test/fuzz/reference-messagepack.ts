/**
 * An independent implementation of MessagePack by its specification, with which tests compare the codec. It is short and slow.
 * Values that the format does not distinguish are normalised: -0 is 0, and an integer is a number if a number holds it.
 */

/** Thrown for bytes that are no MessagePack value. */
export class Malformed extends Error {}

const MAX_DEPTH = 64;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads one value of all bytes. Maps become Maps, so that keys have no special meaning. @throws Malformed */
export function readMessagePack(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const take = (count: number): number => {
    if (count > bytes.length - at) throw new Malformed('incomplete');
    at += count;
    return at - count;
  };
  const uint = (size: number): number => {
    let value = 0;
    for (let i = take(size), end = i + size; i < end; i++) value = value * 256 + bytes[i]!;
    return value;
  };
  const signed = (size: number): number => {
    const value = uint(size);
    return value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
  };
  const safe = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
  const blob = (size: number): Uint8Array => Uint8Array.from(bytes.subarray(take(size), at));
  const text = (size: number): string => utf8.decode(bytes.subarray(take(size), at));
  const list = (count: number, depth: number): unknown[] => {
    enter(count, depth);
    return Array.from({ length: count }, () => value(depth + 1));
  };
  const map = (count: number, depth: number): Map<string, unknown> => {
    enter(count * 2, depth);
    const entries = new Map<string, unknown>();
    for (let i = 0; i < count; i++) {
      const key = value(depth + 1);
      if (!['string', 'number', 'bigint'].includes(typeof key)) throw new Malformed('key');
      const item = value(depth + 1);
      if (key !== '__proto__') entries.set(String(key), item);
    }
    return entries;
  };
  const enter = (values: number, depth: number): void => {
    if (values > bytes.length - at) throw new Malformed('incomplete');
    if (depth === MAX_DEPTH) throw new Malformed('depth');
  };
  const extension = (size: number): unknown => {
    const type = signed(1);
    if (type !== -1) return { type, data: blob(size) };
    if (size !== 4 && size !== 8 && size !== 12) throw new Malformed('timestamp');
    const start = take(size);
    let ms: number;
    let nanoseconds = 0;
    if (size === 4) {
      ms = view.getUint32(start) * 1000;
    } else if (size === 8) {
      const both = view.getBigUint64(start);
      nanoseconds = Number(both >> 34n);
      ms = Number(both & (2n ** 34n - 1n)) * 1000;
    } else {
      nanoseconds = view.getUint32(start);
      ms = Number(view.getBigInt64(start + 4)) * 1000;
    }
    const date = new Date(ms + Math.floor(nanoseconds / 1e6));
    if (nanoseconds > 999_999_999 || Number.isNaN(date.getTime())) throw new Malformed('timestamp');
    return { date: date.getTime() };
  };
  const value = (depth: number): unknown => {
    const token = uint(1);
    if (token < 0x80) return token;
    if (token < 0x90) return map(token - 0x80, depth);
    if (token < 0xa0) return list(token - 0x90, depth);
    if (token < 0xc0) return text(token - 0xa0);
    if (token >= 0xe0) return token - 256;
    if (token === 0xc0) return null;
    if (token === 0xc2) return false;
    if (token === 0xc3) return true;
    if (token >= 0xc4 && token <= 0xc6) return blob(uint(2 ** (token - 0xc4)));
    if (token >= 0xc7 && token <= 0xc9) return extension(uint(2 ** (token - 0xc7)));
    if (token === 0xca) return view.getFloat32(take(4)) + 0;
    if (token === 0xcb) return view.getFloat64(take(8)) + 0;
    if (token >= 0xcc && token <= 0xce) return uint(2 ** (token - 0xcc));
    if (token === 0xcf) return safe(view.getBigUint64(take(8)));
    if (token >= 0xd0 && token <= 0xd2) return signed(2 ** (token - 0xd0));
    if (token === 0xd3) return safe(view.getBigInt64(take(8)));
    if (token >= 0xd4 && token <= 0xd8) return extension(2 ** (token - 0xd4));
    if (token >= 0xd9 && token <= 0xdb) return text(uint(2 ** (token - 0xd9)));
    if (token === 0xdc || token === 0xdd) return list(uint(token === 0xdc ? 2 : 4), depth);
    if (token === 0xde || token === 0xdf) return map(uint(token === 0xde ? 2 : 4), depth);
    throw new Malformed('token');
  };
  const whole = value(0);
  if (at < bytes.length) throw new Malformed('rest');
  return whole;
}

/** Writes a value of {@link anyValue}. `widen` returns how many widths more than necessary a number or length takes. */
export function writeMessagePack(value: unknown, widen: () => number): Uint8Array {
  const parts: Uint8Array[] = [];
  /** Returns the token of the smallest sufficient size, or of a larger one. */
  const sized = (number: number, tokens: readonly number[], from = 1): void => {
    const needed = number < 256 ? 0 : number < 65_536 ? 1 : 2; // prettier-ignore
    const width = Math.min(tokens.length - 1, Math.max(0, needed - (from >> 1)) + widen());
    const size = from * 2 ** width;
    const bytes = Buffer.alloc(1 + size);
    bytes[0] = tokens[width]!;
    if (size === 8) bytes.writeBigUInt64BE(BigInt(number), 1);
    else bytes.writeUIntBE(number, 1, size);
    parts.push(bytes);
  };
  const number = (of: number): void => {
    if (Number.isSafeInteger(of) && of >= 0) return widen() === 0 && of < 128 ? void parts.push(Uint8Array.of(of)) : sizedUint(of);
    const bytes = Buffer.alloc(9);
    bytes[0] = 0xcb;
    bytes.writeDoubleBE(of, 1);
    parts.push(bytes);
  };
  const sizedUint = (of: number): void => {
    if (of < 2 ** 32) return sized(of, [0xcc, 0xcd, 0xce]);
    const bytes = Buffer.alloc(9);
    bytes[0] = 0xcf;
    bytes.writeBigUInt64BE(BigInt(of), 1);
    parts.push(bytes);
  };
  const write = (of: unknown): void => {
    if (typeof of === 'number') return number(of);
    if (typeof of === 'string') {
      const bytes = Buffer.from(of);
      sized(bytes.length, [0xd9, 0xda, 0xdb]);
      parts.push(bytes);
    } else if (Array.isArray(of)) {
      sized(of.length, [0xdc, 0xdd], 2);
      of.forEach(write);
    } else if (typeof of === 'object' && of !== null) {
      const entries = Object.entries(of);
      sized(entries.length, [0xde, 0xdf], 2);
      for (const [key, item] of entries) {
        write(key);
        write(item);
      }
    } else {
      parts.push(Uint8Array.of(of === true ? 0xc3 : of === false ? 0xc2 : 0xc0)); // prettier-ignore
    }
  };
  write(value);
  return Buffer.concat(parts);
}
