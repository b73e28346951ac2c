import { jsonCodec, type Codec } from '@hubline/protocol';

/** JSON as .NET writes it: bytes as base64, dates without zero milliseconds. Our own codec rejects bytes, because JSON cannot restore them. */
export const dotnetJson: Codec = {
  ...jsonCodec,
  encode: (message) => jsonCodec.encode(asTexts(message) as typeof message),
};

function asTexts(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (Array.isArray(value)) return value.map(asTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asTexts(inner)]));
}
