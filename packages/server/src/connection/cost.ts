/** Upper estimates of the memory that V8 needs. */
const SLOT_BYTES = 16;
const TEXT_BYTES = 24;
const ARRAY_BYTES = 64;
const OBJECT_BYTES = 80;
const PROPERTY_BYTES = 64;
const BUFFER_BYTES = 160;
/** The depth at which the estimate stops, so that a decoder without a limit of its own cannot overflow the stack. */
const MAX_LEVELS = 500;

/** Estimates the memory of a decoded value. A value of small parts needs many times its length on the wire. */
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
