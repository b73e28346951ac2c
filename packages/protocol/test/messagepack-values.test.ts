import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MessageType, type HubMessage } from '@hubline/protocol';
import { ExtensionData, messagePack } from '@hubline/protocol/messagepack';
import { json } from './arbitraries.ts';
import { errorOf } from './error-of.ts';
import { codec, decode, item, itemBytes, sent } from './messagepack-wire.ts';

const { Invocation, StreamItem, Completion } = MessageType;

it.each<[value: unknown, body: string]>([
  [0, '00'],
  [-0, '00'],
  [127, '7f'],
  [128, 'cc 80'],
  [256, 'cd 01 00'],
  [65_536, 'ce 00 01 00 00'],
  [2 ** 32 - 1, 'ce ff ff ff ff'],
  [2 ** 32, 'cf 00 00 00 01 00 00 00 00'],
  [Number.MAX_SAFE_INTEGER, 'cf 00 1f ff ff ff ff ff ff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0 df'],
  [-128, 'd0 80'],
  [-129, 'd1 ff 7f'],
  [-32_769, 'd2 ff ff 7f ff'],
  [-(2 ** 31), 'd2 80 00 00 00'],
  [-(2 ** 31) - 1, 'd3 ff ff ff ff 7f ff ff ff'],
  [Number.MIN_SAFE_INTEGER, 'd3 ff e0 00 00 00 00 00 01'],
  [1.5, 'cb 3f f8 00 00 00 00 00 00'],
  [2 ** 60, 'cb 43 b0 00 00 00 00 00 00'],
  [Infinity, 'cb 7f f0 00 00 00 00 00 00'],
  [2n ** 64n - 1n, 'cf ff ff ff ff ff ff ff ff'],
  [-(2n ** 63n), 'd3 80 00 00 00 00 00 00 00'],
  [Uint8Array.of(1, 2), 'c4 02 01 02'],
  [new Date(0), 'd6 ff 00 00 00 00'],
  [new Date(1), 'd7 ff 00 3d 09 00 00 00 00 00'],
  [new Date(-1), 'c7 0c ff 3b 8b 87 c0 ff ff ff ff ff ff ff ff'],
  [new Date(2 ** 34 * 1000), 'c7 0c ff 00 00 00 00 00 00 00 04 00 00 00 00'],
  [new ExtensionData(5, Uint8Array.of(1, 2, 3)), 'c7 03 05 01 02 03'],
  [new ExtensionData(-2, Uint8Array.of(1)), 'd4 fe 01'],
  ['ä', 'a2 c3 a4'],
  ['a'.repeat(20) + 'ä'.repeat(6), `d9 20 ${'61 '.repeat(20)}${'c3 a4 '.repeat(6)}`.trim()],
  ['\ufeffx', 'a4 ef bb bf 78'],
  [{ a: 1 }, '81 a1 61 01'],
])('%o is encoded as %s and decoded again', (value, body) => {
  expect(itemBytes(value)).toBe(body);
  expect(item(body)).toEqual(value === 0 ? 0 : value);
});

it('small bigints are encoded as numbers, and decoded as such', () => {
  expect(itemBytes(5n)).toBe('05');
  expect(sent([5n, -(2n ** 40n), 2n ** 53n, -(2n ** 53n)])).toEqual([5, -(2 ** 40), 2n ** 53n, -(2n ** 53n)]);
});

it('integers of 64 bits round-trip', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
      const arrived = sent(value) as number | bigint;
      expect(BigInt(arrived)).toBe(value);
      expect(typeof arrived).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'bigint');
    }),
  );
});

it('numbers and dates round-trip', () => {
  fc.assert(fc.property(fc.double(), (value) => void expect(sent(value)).toBe(value === 0 ? 0 : value)));
  fc.assert(fc.property(fc.date({ noInvalidDate: true }), (value) => void expect(sent(value)).toEqual(value)));
});

it('texts and bytes round-trip on both sides of each limit of the format', () => {
  for (const length of [0, 1, 23, 24, 25, 31, 32, 63, 64, 65, 255, 256, 65_535, 65_536]) {
    for (const unit of ['x', 'ä', '✓', '𝄞']) expect(sent(unit.repeat(length)) === unit.repeat(length)).toBe(true);
    const data = new Uint8Array(length).fill(7);
    expect(Buffer.compare(sent(data) as Uint8Array, data)).toBe(0);
    const extension = sent(new ExtensionData(3, data)) as ExtensionData;
    expect([extension.type, Buffer.compare(extension.data, data)]).toEqual([3, 0]);
  }
}, 20_000);

it('lists and objects round-trip on both sides of each limit of the format', () => {
  for (const length of [15, 16, 65_536]) {
    const list = Array.from({ length }, (_, i) => i);
    const object = Object.fromEntries(list.map((i) => [`k${i}`, i]));
    for (const value of [list, object]) expect(JSON.stringify(sent(value)) === JSON.stringify(value)).toBe(true);
  }
}, 20_000);

it('decoded bytes share no memory with the received ones', () => {
  const wire = Buffer.from(codec.encode({ type: StreamItem, invocationId: '1', item: Uint8Array.of(1, 2, 3) }) as Uint8Array);
  const [received] = decode([wire]);
  wire.fill(9);
  const data = (received as { readonly item: Uint8Array }).item;
  expect(data).toEqual(Uint8Array.of(1, 2, 3));
  expect(data.constructor).toBe(Uint8Array);
  expect(data.buffer.byteLength).toBe(3);
});

it('buffers and values with toJSON are encoded', () => {
  expect(sent([Buffer.from('a'), Uint8Array.of(1).buffer])).toEqual([Uint8Array.of(97), Uint8Array.of(1)]);
  expect(sent({ url: new URL('http://a/'), own: { toJSON: () => 'me' } })).toEqual({ url: 'http://a/', own: 'me' });
});

it('undefined is left out of objects and null in lists, as in JSON', () => {
  expect(sent({ a: undefined, b: [undefined] })).toStrictEqual({ b: [null] });
});

it('floats of four bytes and numeric keys are decoded', () => {
  expect(item('ca 3f c0 00 00')).toBe(1.5);
  expect(item('82 01 a1 61 a1 62 02')).toEqual({ 1: 'a', b: 2 });
});

it('keys named __proto__ are dropped', () => {
  const polluting = `82 a9 ${Buffer.from('__proto__').toString('hex')} 81 a1 78 01 a1 79 02`;
  const value = item(polluting) as object;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect(value).toStrictEqual({ y: 2 });
});

it('an extension type round-trips if both ends declare it', () => {
  class Money {
    readonly cents: number;
    constructor(cents: number) {
      this.cents = cents;
    }
  }
  const money = {
    type: 7,
    encode: (value: object) => (value instanceof Money ? Uint8Array.of(value.cents) : undefined),
    decode: (data: Uint8Array) => new Money(data[0] ?? 0),
  };
  expect(sent([new Money(5)], { extensions: [money] })).toEqual([new Money(5)]);
  expect(sent(new ExtensionData(8, Uint8Array.of(1)), { extensions: [money] })).toEqual(new ExtensionData(8, Uint8Array.of(1)));
  for (const extensions of [[{ ...money, type: -1 }], [{ ...money, type: 128 }], [money, money]]) {
    expect(errorOf(() => messagePack({ extensions }))).toMatchObject({ code: 'invalid_option' });
  }
  const failing = { ...money, decode: () => expect.fail('broken') };
  const wire = messagePack({ extensions: [money] }).encode({ type: StreamItem, invocationId: '1', item: new Money(5) });
  expect(errorOf(() => decode([wire as Uint8Array], { extensions: [failing] }))).toMatchObject({ code: 'invalid_message' });
});

const cycle: { self?: unknown } = {};
cycle.self = [cycle];
it.each<[found: string, value: unknown]>([
  ['Map', new Map()],
  ['Set', new Set()],
  ['Float64Array', new Float64Array(1)],
  ['DataView', new DataView(new ArrayBuffer(1))],
  ['function', () => 1],
  ['symbol', Symbol('s')],
  ['invalid Date', new Date(NaN)],
  ['Error', Object.assign(new TypeError('no'), { code: 'no' })],
  ['RegExp', /x/],
  ['Promise', Promise.resolve(1)],
  ['Blob', new Blob(['x'])],
  ['bigint of more than 64 bits', 2n ** 64n],
])('%s is refused with its path', (found, value) => {
  const carriers: [HubMessage, path: string][] = [
    [{ type: Invocation, target: 't', arguments: [1, { a: [{ b: value }] }] }, 'arguments[1].a[0].b'],
    [{ type: StreamItem, invocationId: '1', item: value }, 'item'],
    [{ type: Completion, invocationId: '1', result: [value] }, 'result[0]'],
  ];
  for (const [carrier, path] of carriers) {
    expect(errorOf(() => codec.encode(carrier))).toMatchObject({ code: 'not_encodable', details: { path, found } });
  }
});

it('NaN and infinities round-trip', () => {
  expect(sent([NaN, Infinity, -Infinity])).toEqual([NaN, Infinity, -Infinity]);
});

it('a cycle and a getter that throws are refused', () => {
  const throwing = {
    get value(): never {
      throw new Error('no');
    },
  };
  for (const each of [cycle, throwing]) {
    expect(errorOf(() => codec.encode({ type: StreamItem, invocationId: '1', item: each }))).toMatchObject({ code: 'not_encodable' });
  }
  expect(sent('still there')).toBe('still there');
});

it('each JSON value round-trips as in JSON', () => {
  // JSON writes half surrogate pairs as \ud800; UTF-8 does not have them.
  const values = json.filter((value) => !JSON.stringify(value).includes('\\ud'));
  fc.assert(fc.property(values, (value) => void expect(sent(value)).toStrictEqual(JSON.parse(JSON.stringify(value)))));
});
