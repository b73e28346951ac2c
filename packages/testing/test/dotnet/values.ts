import type { ProtocolName } from '@hubline/testing/interop';

/** Converts a value to JSON, which Client/Values.cs reads. */
export function toWire(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof DotnetUpload) return { $upload: value.name };
  if (Array.isArray(value)) return value.map(toWire);
  if (typeof value !== 'object' || value === null) return value;
  const type = CLASSES.find(({ has }) => has in value);
  if (type) return { $type: type.name, value: type.toJson(value) };
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toWire(inner)]));
}

/** Converts JSON of the .NET program to a value. Bytes and dates become the values that a client receives over the protocol. */
export function fromWire(value: unknown, protocol: ProtocolName): unknown {
  if (Array.isArray(value)) return value.map((item) => fromWire(item, protocol));
  if (typeof value !== 'object' || value === null) return value;
  const { $bytes, $date } = value as { readonly $bytes?: string; readonly $date?: string };
  if ($bytes !== undefined) return protocol === 'json' ? $bytes : new Uint8Array(Buffer.from($bytes, 'base64'));
  if ($date !== undefined) return protocol === 'json' ? new Date($date).toISOString().replace('.000Z', 'Z') : new Date($date);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, fromWire(inner, protocol)]));
}

/** A stream that the .NET client sends: its items go to the program as commands. */
export class DotnetUpload {
  readonly name: string;
  readonly #write: (command: Readonly<Record<string, unknown>>) => void;

  constructor(name: string, write: (command: Readonly<Record<string, unknown>>) => void) {
    this.name = name;
    this.#write = write;
  }

  next(item: unknown): void {
    this.#write({ op: 'next', name: this.name, value: toWire(item) });
  }
  complete(): void {
    this.#write({ op: 'complete', name: this.name });
  }
  error(error: Error): void {
    this.#write({ op: 'complete', name: this.name, error: error.message });
  }
}

/** A class of the .NET program. Its objects are JSON as System.Text.Json writes it; MessagePack has other values for some members. */
interface DotnetClass {
  readonly name: string;
  /** A member that no other class has. */
  readonly has: string;
  readonly results: readonly string[];
  toJson(value: object): object;
  toMessagePack(value: object): object;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const CLASSES: readonly DotnetClass[] = [
  {
    name: 'ComplexObject',
    has: 'ByteArray',
    results: ['EchoComplexObject', 'SendComplexObject'],
    toJson: (value) => mapped(value, { ByteArray: base64Of, DateTime: isoOf }),
    toMessagePack: (value) =>
      mapped(value, {
        ByteArray: (bytes) => new Uint8Array(Buffer.from(String(bytes), 'base64')),
        DateTime: (date) => new Date(String(date)),
      }),
  },
  {
    name: 'Order',
    has: 'Price',
    results: ['EchoOrder'],
    toJson: (value) => mapped(value, { Price: Number, Day: (day) => (typeof day === 'string' ? DAYS.indexOf(day) : day) }),
    toMessagePack: (value) => mapped(value, { Price: String, Day: (day) => DAYS[Number(day)] }),
  },
];

/** Returns the class that a .NET program expects as the result of a method; undefined for `object`. */
export const classOf = (method: string): DotnetClass | undefined => CLASSES.find(({ results }) => results.includes(method));

const mapped = (value: object, members: Readonly<Record<string, (member: unknown) => unknown>>): object =>
  Object.fromEntries(Object.entries(value).map(([name, member]) => [name, members[name] ? members[name](member) : member]));
const base64Of = (bytes: unknown): unknown => (bytes instanceof Uint8Array ? Buffer.from(bytes).toString('base64') : bytes);
const isoOf = (date: unknown): unknown => (date instanceof Date ? date.toISOString() : date);
