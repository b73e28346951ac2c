/** Upper estimates of the memory that V8 needs: here for a slot in an array; below for a property with its place in a shape. */
const SLOT_BYTES = 16;
const TEXT_BYTES = 24;
const ARRAY_BYTES = 64;
const OBJECT_BYTES = 80;
const PROPERTY_BYTES = 64;
const BUFFER_BYTES = 160;
/** The depth at which the estimate stops: decoders bound the depth, and one that does not must not overflow the stack here. */
const MAX_LEVELS = 500;

/** Estimates what a decoded value costs in memory: many times its length on the wire where it is made of small parts. */
export function costOf(value: unknown, levels = MAX_LEVELS): number {
  if (typeof value === 'string') return TEXT_BYTES + 2 * value.length;
  if (typeof value !== 'object' || value === null || levels === 0) return SLOT_BYTES;
  if (ArrayBuffer.isView(value)) return BUFFER_BYTES + value.byteLength;
  if (Array.isArray(value)) {
    let bytes = ARRAY_BYTES;
    for (const item of value) bytes += SLOT_BYTES + costOf(item, levels - 1);
    return bytes;
  }
  let bytes = OBJECT_BYTES;
  for (const key in value) bytes += PROPERTY_BYTES + 2 * key.length + costOf((value as Record<string, unknown>)[key], levels - 1);
  return bytes;
}
