import { anyValue, PROTOTYPE_NAMES, validMessage, type Fields } from './corpus.ts';
import type { Random } from './random.ts';
import { writeMessagePack } from './reference-messagepack.ts';

export const END = 0x1e;

/** A text that is written into JSON as it is. */
class Verbatim {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Values that may break a decoder: wrong types, huge numbers, prototypes, depth. */
function hostile(random: Random): unknown {
  return random.pick<() => unknown>([
    () => anyValue(random),
    () => null,
    () => random.pick([true, false, 0, -1, 1.5, 64, 2 ** 53, 1e308, -1e308, '', 'x', '__proto__']),
    () => random.pick<unknown>([[], {}, [[]], [''], [1], { a: 1 }, { length: 1 }, Object.fromEntries([['constructor', 'x']])]),
    () => new Verbatim(random.pick(['1e999', '-1e999', '123456789012345678901234567890', '{"__proto__":{"polluted":true}}', '01', 'NaN'])),
    () => deep(random),
    () => 'x'.repeat(random.pick([100, 5000, 33_000])),
  ])();
}

/** Depths below, at and above the limit of a message. */
function deep(random: Random): Verbatim {
  const levels = random.pick([50, 58, 60, 61, 62, 63, 64, 65, 900]);
  return new Verbatim(random.chance(0.5) ? '['.repeat(levels) + ']'.repeat(levels) : '{"a":'.repeat(levels) + '1' + '}'.repeat(levels));
}

/** Changes up to two properties. */
function spoiled(random: Random, valid: Fields): Fields {
  const fields = [...valid];
  for (let i = random.below(3); i > 0; i--) {
    const at = random.below(fields.length);
    const [name, value] = fields[at] ?? ['type', 1];
    random.pick([
      () => fields.splice(at, 1),
      () => (fields[at] = [name, hostile(random)]),
      () => fields.push([name, hostile(random)]),
      () => fields.splice(random.below(fields.length + 1), 0, [name, value]),
      () => fields.reverse(),
      () => fields.push([random.pick([...PROTOTYPE_NAMES, 'later', name.toUpperCase()]), hostile(random)]),
      () => (fields[at] = [name.toUpperCase(), value]),
      () => fields.splice(0, 1, ['type', random.pick([0, 10, 63, 65, 99, -1, 1.5, '1', null, 4, 1, 3, 64])]),
    ])();
  }
  return fields;
}

/** Changes bytes regardless of their meaning. */
export function bent(random: Random, valid: Uint8Array): Uint8Array {
  let bytes = Buffer.from(valid);
  const splice = (at: number, remove: number, insert: Uint8Array): void => {
    bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
  };
  for (let i = 1 + random.below(3); i > 0; i--) {
    const at = random.below(bytes.length + 1);
    random.pick([
      () => at < bytes.length && (bytes[at]! ^= 1 << random.below(8)),
      () => splice(at, 1, random.bytes(1)),
      () => splice(at, random.below(6), new Uint8Array()),
      () => splice(at, 0, random.bytes(1 + random.below(6))),
      () => splice(at, bytes.length, new Uint8Array()),
      () => splice(at, 0, bytes.subarray(random.below(at + 1), at)),
      () => splice(at, 0, Uint8Array.from(random.pick(NASTY))),
    ])();
  }
  return bytes;
}

/** Invalid UTF-8, separators, the edges of lengths. */
const NASTY = [
  [0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xef, 0xbb, 0xbf], [0xe2, 0x82], [END], [END, END], [0x00],
  [0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80], [0xdd, 0xff, 0xff, 0xff, 0xff], [0xc1], [0x91], [0xc7],
]; // prettier-ignore

/** One case: a few messages, most of them broken, as the bytes of JSON records. */
export function jsonCase(random: Random, id: string): Uint8Array {
  if (random.chance(0.05)) return Buffer.concat([random.bytes(random.below(60)), Uint8Array.of(END)]);
  return several(random, (n) => {
    const valid = validMessage(random, `${id}${n}`);
    const fields = random.chance(0.6) ? spoiled(random, valid) : valid;
    const record = Buffer.from(`${toJson(fields)}\u001e`);
    return random.chance(fields.length > 0 ? 0.35 : 1) ? bent(random, record) : record;
  });
}

/** The first record of a connection, most often a wrong one. */
export function handshakeCase(random: Random): Uint8Array {
  const valid: Fields = [
    ['protocol', random.pick(['json', 'json', 'messagepack', 'MessagePack', 'x', '', ...PROTOTYPE_NAMES])],
    ['version', random.pick([1, 1, 2, 3, 0, -1, 1.5, 2 ** 53])],
    ...random.pick<Fields>([[], [['hubline', random.pick([0, 1, 2, -1])]]]),
  ];
  const record = Buffer.from(toJson(random.chance(0.6) ? spoiled(random, valid) : valid));
  const bytes = random.chance(0.4) ? bent(random, record) : record;
  return Buffer.concat([random.chance(0.03) ? random.bytes(random.below(60)) : bytes, Uint8Array.of(END)]);
}

function toJson(fields: Fields): string {
  const text = (value: unknown): string => (value instanceof Verbatim ? value.text : (JSON.stringify(value) ?? 'null'));
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${text(value)}`).join(',')}}`;
}

/** One case as MessagePack: arrays behind their length, with the items in their places (PROTOCOL.md, 4). */
export function messagePackCase(random: Random, id: string): Uint8Array {
  if (random.chance(0.05)) return random.bytes(1 + random.below(60));
  return several(random, (n) => {
    const valid = validMessage(random, `${id}${n}`);
    const fields = random.chance(0.6) ? spoiled(random, valid) : valid;
    const items = itemsOf(fields);
    if (random.chance(0.15)) rearrange(random, items);
    const widen = random.chance(0.2) ? () => random.below(3) : () => 0;
    let body = withDepth(writeMessagePack(items, widen), fields);
    if (random.chance(0.3)) body = bent(random, body);
    const length = random.chance(0.1) ? random.pick([0, body.length - 1, body.length + 1, body.length * 2, 33_000]) : body.length;
    const message = Buffer.concat([prefix(Math.max(0, length), random.chance(0.05)), body]);
    return random.chance(0.1) ? bent(random, message) : message;
  });
}

function itemsOf(fields: Fields): unknown[] {
  const message = new Map<string, unknown>(fields.map(([name, value]) => [name, value instanceof Verbatim ? null : value]));
  const get = (name: string, otherwise: unknown = null): unknown => (message.has(name) ? message.get(name) : otherwise);
  const type = get('type');
  const headers = get('headers', {});
  const id = get('invocationId');
  switch (type) {
    case 1:
    case 4:
      return [type, headers, id, get('target'), get('arguments'), get('streamIds', [])];
    case 2:
      return [type, headers, id, get('item')];
    case 3:
      if (message.has('error')) return [type, headers, id, 1, get('error')];
      return message.has('result') ? [type, headers, id, 3, get('result')] : [type, headers, id, 2];
    case 5:
      return [type, headers, id];
    case 7:
      return [type, get('error'), get('allowReconnect'), get('code'), get('reason')];
    case 64:
      return [type, id, get('credit')];
    default:
      return type === 6 ? [type] : [type, get('sequenceId')];
  }
}

function rearrange(random: Random, items: unknown[]): void {
  const at = random.below(items.length);
  random.pick([
    () => items.splice(at, 1),
    () => items.splice(at, 0, items[at]),
    () => items.push(anyValue(random), anyValue(random)),
    () => items.splice(at, items.length),
    () => items.reverse(),
    () => items.splice(at, 1, anyValue(random)),
  ])();
}

/** Puts arrays around the whole message in place of a deep value. */
function withDepth(body: Uint8Array, fields: Fields): Uint8Array {
  const text = fields.map(([, value]) => (value instanceof Verbatim ? value.text : '')).join('');
  const levels = /^\[+/.exec(text)?.[0].length ?? 0;
  // The nested value replaces the last item, which is nil.
  return levels > 0 && body.at(-1) === 0xc0 ? Buffer.concat([body.subarray(0, -1), Buffer.alloc(levels, 0x91), Uint8Array.of(0xc0)]) : body;
}

/** The length in groups of 7 bits; `padded` adds groups of zeros. */
export function prefix(length: number, padded = false): Uint8Array {
  const groups = [];
  for (let rest = length; groups.length === 0 || rest > 0; rest = Math.floor(rest / 128)) groups.push(rest % 128);
  if (padded) while (groups.length < 5) groups.push(0);
  return Uint8Array.from(groups, (group, i) => (i < groups.length - 1 ? group | 0x80 : group));
}

function several(random: Random, one: (n: number) => Uint8Array): Uint8Array {
  return Buffer.concat(Array.from({ length: 1 + random.below(3) }, (_, n) => one(n)));
}
