/** Returns the kind of a value that both protocols would write as `{}`, as null or not at all; undefined if they keep its content. */
export function unencodableKind(value: unknown): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return undefined;
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (ArrayBuffer.isView(value)) return kind; // even a Buffer, whose toJSON is ten times as large
  if (kind === 'Date') return Number.isNaN(Number(value)) ? 'invalid Date' : undefined;
  // An instance of a class is written as its properties, and an object with toJSON as the result of that.
  if (WRITTEN.test(kind) || typeof (value as { readonly toJSON?: unknown }).toJSON === 'function') return undefined;
  return UNWRITTEN.test(kind) || Object.keys(value).length === 0 ? kind : undefined;
}

/** Plain objects, and objects that JSON writes as the primitive inside. */
const WRITTEN = /^(Object|Number|String|Boolean)$/;
/** Objects whose content is not in their properties. Others, such as Promise, RegExp, Blob and iterators, have no properties. */
const UNWRITTEN = /^(Error|Map|Set)$/;
