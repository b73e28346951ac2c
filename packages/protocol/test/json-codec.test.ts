import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientJsonCodec, HublineError, jsonCodec, MessageType, RECORD_SEPARATOR, type HubMessage, type Wire } from '@hubline/protocol';
import { cut, message } from './arbitraries.ts';
import { errorOf } from './error-of.ts';

const { Ping, Completion, StreamItem, Invocation } = MessageType;
const bytes = (text: string) => new TextEncoder().encode(text);
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const CODECS = [
  ['of the server', jsonCodec],
  ['of the client', clientJsonCodec],
] as const;

/** Returns an array of this many levels. */
const nested = (levels: number): unknown => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1);

/** Decodes the chunks, and returns their messages. */
function decode(chunks: readonly Wire[], maxMessageBytes = Infinity): HubMessage[] {
  const messages: HubMessage[] = [];
  const decoder = jsonCodec.decoder({ maxMessageBytes });
  for (const chunk of chunks) decoder.push(chunk, (received) => messages.push(received));
  return messages;
}

describe('the JSON codec', () => {
  const textOf = (messages: readonly HubMessage[]) => messages.map((sent) => jsonCodec.encode(sent)).join('');
  const conversation = fc.array(message, { maxLength: 6 });

  it('the JSON codec round-trips messages in text cut anywhere', () => {
    const tries = conversation.chain((messages) => fc.tuple(fc.constant(messages), cut(textOf(messages))));
    fc.assert(
      fc.property(tries, ([messages, chunks]) => void expect(decode(chunks)).toStrictEqual(asJson(messages))),
      { numRuns: 500 },
    );
  });

  it('the JSON codec round-trips messages in bytes cut anywhere', () => {
    const tries = conversation.chain((messages) => fc.tuple(fc.constant(messages), cut(bytes(textOf(messages)))));
    fc.assert(
      fc.property(tries, ([messages, chunks]) => void expect(decode(chunks)).toStrictEqual(asJson(messages))),
      { numRuns: 500 },
    );
  });

  it('the JSON codec decodes bytes one by one', () => {
    const sent: HubMessage[] = [{ type: Invocation, target: 'Grüße', arguments: ['𝄞 ✓', 1] }, { type: Ping }];
    expect(decode(Array.from(bytes(textOf(sent)), (byte) => Uint8Array.of(byte)))).toEqual(sent);
  });

  it('the JSON codec delivers a message with the chunk that ends it', () => {
    const decoder = jsonCodec.decoder();
    const received: HubMessage[] = [];
    decoder.push('{"type":6', (each) => received.push(each));
    expect(received).toEqual([]);
    decoder.push('}\u001e{"type":6}', (each) => received.push(each));
    expect(received).toEqual([{ type: Ping }]);
    decoder.push(RECORD_SEPARATOR, (each) => received.push(each));
    expect(received).toEqual([{ type: Ping }, { type: Ping }]);
  });

  it('the JSON codec counts decoded messages, also of unknown types, and knows whether a message is partial', () => {
    const decoder = jsonCodec.decoder();
    const ignore = () => undefined;
    expect([decoder.push('{"type":6}\u001e{"type":99}\u001e{"ty', ignore), decoder.isPartial]).toEqual([2, true]);
    expect([decoder.push('pe":6}\u001e', ignore), decoder.isPartial]).toEqual([1, false]);
  });

  it('the JSON codec decodes a large message in small chunks in linear time', () => {
    const large: HubMessage = { type: StreamItem, invocationId: '1', item: 'x'.repeat(4_000_000) };
    const text = jsonCodec.encode(large) as string;
    const chunks = Array.from({ length: Math.ceil(text.length / 100) }, (_, i) => text.slice(i * 100, i * 100 + 100));
    // This takes well below a second; reading earlier chunks again with each chunk would take more than a minute.
    expect(decode(chunks)).toEqual([large]);
  }, 20_000);
});

describe('encoding in JSON', () => {
  it('the JSON encoder writes the records of SignalR', () => {
    expect(jsonCodec.encode({ type: Ping })).toBe('{"type":6}\u001e');
    expect(jsonCodec.encode({ type: Completion, invocationId: '1', result: null })).toBe(
      '{"type":3,"invocationId":"1","result":null}\u001e',
    );
  });

  const losses: [found: string, value: unknown][] = [
    ['Uint8Array', Uint8Array.of(1)],
    ['Float64Array', Float64Array.of(1)],
    ['DataView', new DataView(new ArrayBuffer(1))],
    ['ArrayBuffer', new ArrayBuffer(1)],
    ['Map', new Map()],
    ['Set', new Set()],
    ['function', () => 1],
    ['symbol', Symbol('s')],
  ];
  it.each(losses)('the JSON encoder refuses %s and names its path', (found, value) => {
    const carriers: [HubMessage, path: string][] = [
      [{ type: Invocation, target: 't', arguments: [1, { a: [{ b: value }] }] }, 'arguments[1].a[0].b'],
      [{ type: StreamItem, invocationId: '1', item: value }, 'item'],
      [{ type: Completion, invocationId: '1', result: [value] }, 'result[0]'],
    ];
    for (const [carrier, path] of carriers) {
      expect(errorOf(() => jsonCodec.encode(carrier))).toMatchObject({ code: 'not_encodable', details: { path, found } });
    }
  });

  it('the JSON encoder refuses a bigint, a cycle and a getter that throws', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = [cycle];
    const throwing = {
      get value(): never {
        throw new Error('no');
      },
    };
    for (const item of [1n, { deep: [1n] }, cycle, throwing]) {
      expect(errorOf(() => jsonCodec.encode({ type: StreamItem, invocationId: '1', item }))).toMatchObject({ code: 'not_encodable' });
    }
  });

  it.each(CODECS)('the JSON encoder writes 64 levels and refuses more, in the codec %s', (_name, codec) => {
    // The message, and the list of arguments of a call, are levels too.
    const item = (levels: number) => ({ type: StreamItem, invocationId: '1', item: nested(levels - 1) }) as const;
    expect(decode([codec.encode(item(64))])).toEqual([item(64)]);
    for (const levels of [65, 1_000, 100_000]) {
      expect(errorOf(() => codec.encode(item(levels)))).toMatchObject({ code: 'not_encodable' });
      expect(errorOf(() => codec.encode({ ...item(1), item: { toJSON: () => nested(levels) } }))).toMatchObject({ code: 'not_encodable' });
    }
    expect(errorOf(() => codec.encode(item(65))).message).toBe('JSON has no way to write the value of more than 64 levels.');
  });

  it.each(CODECS)('the JSON encoder refuses values that throw when they are read, in the codec %s', (_name, codec) => {
    const throws = (thrown: unknown) => () => {
      throw thrown;
    };
    const hostile: unknown[] = [
      Object.create(null),
      { toString: throws(1) },
      Object.defineProperty(new Error(), 'message', { get: throws(1) }),
    ];
    for (const thrown of [...hostile, undefined, 'text', new HublineError('forbidden', 'No.', {}), new RangeError('no')]) {
      const values = [{ toJSON: throws(thrown) }, Object.defineProperty({}, 'a', { enumerable: true, get: throws(thrown) })];
      for (const item of values) {
        expect(errorOf(() => codec.encode({ type: StreamItem, invocationId: '1', item }))).toMatchObject({ code: 'not_encodable' });
      }
    }
  });

  it.each(CODECS)('the JSON encoder refuses values that JSON would drop or change, in the codec %s', (_name, codec) => {
    class Empty {}
    class Point {
      readonly x = 1;
    }
    const lost: [found: string, value: unknown][] = [
      ['NaN', NaN],
      ['Infinity', Infinity],
      ['-Infinity', -Infinity],
      ['Error', new TypeError('no')],
      ['Error', Object.assign(new Error('no'), { code: 1 })],
      ['RegExp', /a/],
      ['Promise', Promise.resolve(1)],
      ['Blob', new Blob(['a'])],
      ['Map', new Map()],
      ['Set', new Set()],
      ['WeakMap', new WeakMap()],
      ['URLSearchParams', new URLSearchParams('a=1')],
      ['Headers', new Headers()],
      ['Generator', (function* () {})()],
      ['ArrayBuffer', new ArrayBuffer(1)],
      ['Uint8Array', Buffer.from('a')],
      ['invalid Date', new Date(NaN)],
      ['function', () => 1],
      ['symbol', Symbol('s')],
      ['bigint', 1n],
    ];
    for (const [found, value] of lost) {
      for (const item of [value, [value], { toJSON: () => value }, { a: { toJSON: () => [value] } }]) {
        const error = errorOf(() => codec.encode({ type: StreamItem, invocationId: '1', item }));
        expect(error).toMatchObject({ code: 'not_encodable', details: { found } });
      }
    }
    const kept = [
      new Empty(),
      new Point(),
      Object.create(null),
      new Date(0),
      new URL('http://a/'),
      Object(1),
      Object('a'),
      -0,
      null,
      undefined,
    ];
    expect(codec.encode({ type: StreamItem, invocationId: '1', item: kept })).toBe(
      '{"type":2,"invocationId":"1","item":[{},{"x":1},{},"1970-01-01T00:00:00.000Z","http://a/",1,"a",0,null,null]}\u001e',
    );
  });

  it('the JSON encoder writes the result of toJSON', () => {
    const self: { toJSON: () => string; self?: unknown } = { toJSON: () => 'me' };
    self.self = self;
    expect(jsonCodec.encode({ type: StreamItem, invocationId: '1', item: [self, new Date(0)] })).toBe(
      '{"type":2,"invocationId":"1","item":["me","1970-01-01T00:00:00.000Z"]}\u001e',
    );
  });
});

describe('maxMessageBytes of the JSON codec', () => {
  const item = (text: string) => jsonCodec.encode({ type: StreamItem, invocationId: '1', item: text }) as string;
  const sizeOf = (wire: string) => bytes(wire).length - 1; // the separator does not count

  it.each([
    ['ASCII', 'x'.repeat(1000)],
    ['two bytes each', 'ü'.repeat(1000)],
    ['three bytes each', '✓'.repeat(1000)],
    ['four bytes a pair', '𝄞'.repeat(1000)],
  ])('maxMessageBytes of the JSON codec counts bytes: %s', (_, text) => {
    const wire = item(text);
    for (const chunks of [[wire], [bytes(wire)], [wire.slice(0, 500), wire.slice(500)]]) {
      expect(decode(chunks, sizeOf(wire))).toHaveLength(1);
      expect(errorOf(() => decode(chunks, sizeOf(wire) - 1))).toMatchObject({
        code: 'message_too_large',
        details: { limitBytes: sizeOf(wire) - 1 },
      });
    }
  });

  it('maxMessageBytes of the JSON codec applies before the end of a message', () => {
    expect(errorOf(() => decode(['x'.repeat(101)], 100))).toMatchObject({ code: 'message_too_large' });
    const decoder = jsonCodec.decoder({ maxMessageBytes: 100 });
    const noMessage = () => expect.fail('delivered');
    decoder.push('x'.repeat(60), noMessage);
    expect(errorOf(() => decoder.push('x'.repeat(60), noMessage))).toBeInstanceOf(HublineError);
  });

  it('maxMessageBytes of the JSON codec applies to each message, and not to a chunk or a connection', () => {
    const wire = item('x'.repeat(100));
    expect(decode([wire.repeat(50)], sizeOf(wire))).toHaveLength(50);
  });

  it("maxMessageBytes of the JSON codec has SignalR's error text", () => {
    expect(errorOf(() => decode(['x'.repeat(32_769)], 32_768)).message).toMatch(/^The maximum message size of 32768B was exceeded\./);
  });
});
