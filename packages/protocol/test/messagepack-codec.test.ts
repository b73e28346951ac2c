import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HublineError, MessageType, type HubMessage } from '@hubline/protocol';
import { messagePackCodec } from '@hubline/protocol/messagepack';
import { cut, message } from './arbitraries.ts';
import { errorOf } from './error-of.ts';
import { bytes, codec, decode, framed, hex, join, sent, wireOf } from './messagepack-wire.ts';

const { Invocation, StreamItem, Completion, StreamInvocation, CancelInvocation, Ping, Close, Ack, Sequence, Credit } = MessageType;
const xyz = { invocationId: 'xyz' };
const call = { target: 'method', arguments: [42] };

describe('the MessagePack codec and the bytes of HubProtocol.md', () => {
  const vectors: [name: string, body: string, message: HubMessage][] = [
    ['Invocation', '96 01 80 a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 90', { type: Invocation, ...xyz, ...call }],
    ['Invocation without an id', '96 01 80 c0 a6 6d 65 74 68 6f 64 91 2a 90', { type: Invocation, ...call }],
    [
      'Invocation with headers',
      '96 01 82 a1 78 a1 79 a1 7a a1 7a a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 90',
      { type: Invocation, headers: { x: 'y', z: 'z' }, ...xyz, ...call },
    ],
    [
      'Invocation with a stream',
      '96 01 80 a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 91 a1 31',
      { type: Invocation, ...xyz, ...call, streamIds: ['1'] },
    ],
    ['StreamInvocation', '96 04 80 a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 90', { type: StreamInvocation, ...xyz, ...call }],
    ['StreamItem', '94 02 80 a3 78 79 7a 2a', { type: StreamItem, ...xyz, item: 42 }],
    ['Completion with an error', '95 03 80 a3 78 79 7a 01 a5 45 72 72 6f 72', { type: Completion, ...xyz, error: 'Error' }],
    ['Completion of a void method', '94 03 80 a3 78 79 7a 02', { type: Completion, ...xyz }],
    ['Completion with a result', '95 03 80 a3 78 79 7a 03 2a', { type: Completion, ...xyz, result: 42 }],
    ['Completion with null', '95 03 80 a3 78 79 7a 03 c0', { type: Completion, ...xyz, result: null }],
    ['Completion with false', '95 03 80 a3 78 79 7a 03 c2', { type: Completion, ...xyz, result: false }],
    ['CancelInvocation', '93 05 80 a3 78 79 7a', { type: CancelInvocation, ...xyz }],
    ['Ping', '91 06', { type: Ping }],
    ['Close', '93 07 c0 c2', { type: Close, allowReconnect: false }],
    ['Close with an error', '93 07 a3 78 79 7a c2', { type: Close, error: 'xyz', allowReconnect: false }],
    ['Close that allows to reconnect', '93 07 a3 78 79 7a c3', { type: Close, error: 'xyz', allowReconnect: true }],
    ['Close with our code', '94 07 c0 c2 a1 78', { type: Close, allowReconnect: false, code: 'x' }],
    ['Close with a reason', '95 07 c0 c2 a1 78 a1 79', { type: Close, allowReconnect: false, code: 'x', reason: 'y' }],
    ['Close with a reason alone', '95 07 c0 c2 c0 a1 79', { type: Close, allowReconnect: false, reason: 'y' }],
    ['Ack', '92 08 cc 24', { type: Ack, sequenceId: 36 }],
    ['Sequence', '92 09 cc 13', { type: Sequence, sequenceId: 19 }],
    ['Credit', '93 40 a1 31 05', { type: Credit, invocationId: '1', credit: 5 }],
  ];
  it.each(vectors)('the MessagePack codec decodes %s', (_, body, expected) => {
    expect(decode([framed(body)])).toStrictEqual([expected]);
  });

  // The specification writes 36 and 19 in two bytes, although they fit into one. Readers accept any width.
  it.each(vectors.filter(([name]) => name !== 'Ack' && name !== 'Sequence'))('the MessagePack codec encodes %s', (_, body, { ...each }) => {
    expect(hex(codec.encode(each))).toBe(hex(framed(body)));
  });

  it('the MessagePack codec encodes a ping as 02 91 06, and small sequence ids in one byte', () => {
    expect(hex(codec.encode({ type: Ping }))).toBe('02 91 06');
    expect(hex(codec.encode({ type: Ack, sequenceId: 36 }))).toBe('03 92 08 24');
  });

  it('the MessagePack codec decodes sequence ids of any width', () => {
    for (const id of ['2a', 'cc 2a', 'cd 00 2a', 'ce 00 00 00 2a', 'cf 00 00 00 00 00 00 00 2a', 'd3 00 00 00 00 00 00 00 2a']) {
      expect(decode([framed(`92 08 ${id}`), framed(`92 09 ${id}`)])).toEqual([
        { type: Ack, sequenceId: 42 },
        { type: Sequence, sequenceId: 42 },
      ]);
    }
  });

  it('the MessagePack codec decodes messages with missing and additional items', () => {
    const bodies: [body: string, message: HubMessage][] = [
      ['95 01 80 c0 a1 6d 90', { type: Invocation, target: 'm', arguments: [] }],
      ['95 01 c0 c0 a1 6d 90', { type: Invocation, target: 'm', arguments: [] }],
      ['97 01 80 c0 a1 6d 90 90 a3 6e 65 77', { type: Invocation, target: 'm', arguments: [] }],
      ['95 02 80 a1 31 01 02', { type: StreamItem, invocationId: '1', item: 1 }],
      ['95 03 80 a1 31 02 01', { type: Completion, invocationId: '1' }],
      ['96 03 80 a1 31 03 01 02', { type: Completion, invocationId: '1', result: 1 }],
      ['94 05 80 a1 31 02', { type: CancelInvocation, invocationId: '1' }],
      ['92 06 01', { type: Ping }],
      // .NET reads an empty id as no id, and a call without a list of arguments fails alone.
      ['95 01 80 a0 a1 6d 90', { type: Invocation, target: 'm', arguments: [] }],
      ['94 01 80 c0 a1 6d', { type: Invocation, target: 'm', arguments: [], unbound: true }],
      ['95 01 80 c0 a1 6d c0', { type: Invocation, target: 'm', arguments: [], unbound: true }],
      ['95 04 80 a1 31 a1 6d 07', { type: StreamInvocation, invocationId: '1', target: 'm', arguments: [], unbound: true }],
      ['95 03 80 a1 31 01 c0', { type: Completion, invocationId: '1' }],
      ['95 03 80 a1 31 01 a0', { type: Completion, invocationId: '1', error: '' }],
      ['95 01 91 01 c0 a1 6d 90', { type: Invocation, target: 'm', arguments: [] }],
      ['95 01 81 a1 78 01 c0 a1 6d 90', { type: Invocation, target: 'm', arguments: [] }],
      ['96 07 c0 c3 c0 c0 01', { type: Close, allowReconnect: true }],
      ['93 08 01 02', { type: Ack, sequenceId: 1 }],
    ];
    expect(decode(bodies.map(([body]) => framed(body)))).toStrictEqual(bodies.map(([, expected]) => expected));
  });

  it('the MessagePack codec skips unknown types', () => {
    expect(decode([framed('93 63 80 a0'), framed('91 06')])).toEqual([{ type: Ping }]);
  });

  it('the MessagePack codec encodes lengths in groups of seven bits', () => {
    const ends: [length: number, prefix: string][] = [
      [127, '7f'],
      [128, '80 01'],
      [16_383, 'ff 7f'],
      [16_384, '80 80 01'],
      [2_097_152, '80 80 80 01'],
    ];
    const pair = { encode: (value: unknown) => new Uint8Array(Number((value as unknown[])[3])), decode: () => [6] };
    for (const [length, prefix] of ends) {
      const wire = messagePackCodec(pair).encode({ type: StreamItem, invocationId: '1', item: length }) as Uint8Array;
      expect(hex(wire.subarray(0, prefix.split(' ').length))).toBe(prefix);
      expect(wire).toHaveLength(prefix.split(' ').length + length);
      let count = 0;
      messagePackCodec(pair)
        .decoder()
        .push(wire, () => count++);
      expect(count).toBe(1);
    }
  });
});

describe('the MessagePack codec', () => {
  /** Returns the message as it is decoded: empty headers and streamIds are not written, and -0 becomes 0 as in JSON. */
  const asArrived = (each: HubMessage): unknown =>
    Object.fromEntries(
      Object.entries(JSON.parse(JSON.stringify(each)) as object).filter(
        ([key, value]) => !(['headers', 'streamIds'].includes(key) && Object.keys(value as object).length === 0),
      ),
    );
  /** Replaces half surrogate pairs, which UTF-8 does not have. */
  const wellFormed = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replace(/\\ud[89ab][0-9a-f]{2}|\\ud[c-f][0-9a-f]{2}/gi, '\ufffd')) as unknown;
  // A Close always has the flag, as in ASP.NET Core.
  const conversation = fc.array(
    message.map((each) => (each.type === Close ? { allowReconnect: false, ...each } : each)),
    { maxLength: 6 },
  );

  it('the MessagePack codec round-trips messages in bytes cut anywhere', () => {
    const tries = conversation.chain((messages) => fc.tuple(fc.constant(messages), cut(wireOf(messages))));
    fc.assert(
      fc.property(tries, ([messages, chunks]) => void expect(decode(chunks)).toStrictEqual(messages.map(asArrived).map(wellFormed))),
      { numRuns: 200 },
    );
  }, 20_000);

  it('the MessagePack codec decodes bytes one by one', () => {
    const messages: HubMessage[] = [{ type: Invocation, target: 'Grüße', arguments: ['𝄞 ✓'.repeat(100), 1] }, { type: Ping }];
    expect(decode(Array.from(wireOf(messages), (byte) => Uint8Array.of(byte)))).toEqual(messages);
  });

  it('the MessagePack codec decodes a large message in small chunks in linear time', () => {
    const large: HubMessage = { type: StreamItem, invocationId: '1', item: 'x'.repeat(4_000_000) };
    const wire = codec.encode(large) as Uint8Array;
    const chunks = Array.from({ length: Math.ceil(wire.length / 100) }, (_, i) => wire.subarray(i * 100, i * 100 + 100));
    expect(decode(chunks)).toEqual([large]);
  }, 20_000);

  it('the MessagePack codec encodes within a getter without changing the outer message', () => {
    const nested = {
      get inner() {
        return codec.encode({ type: StreamItem, invocationId: '2', item: 'x'.repeat(100) }).length;
      },
    };
    expect(sent(['before', nested, 'after'])).toEqual(['before', { inner: 108 }, 'after']);
  });
});

it('the MessagePack decoder counts messages, also of unknown types, and knows whether a message is partial', () => {
  const decoder = codec.decoder();
  const ignore = (): void => undefined;
  expect([decoder.push(bytes('02 91 06 02 91 63 02 91'), ignore), decoder.isPartial]).toEqual([2, true]);
  expect([decoder.push(bytes('06'), ignore), decoder.isPartial]).toEqual([1, false]);
  expect([decoder.push(bytes('02'), ignore), decoder.isPartial]).toEqual([0, true]);
});

describe('malformed MessagePack', () => {
  it.each<[why: string, body: string]>([
    ['Invalid payload.', '80'],
    ['Invalid payload.', '90'],
    ['Invalid payload.', '91 a1 31'],
    ['Invalid payload for Invocation message.', '93 01 80 c0'],
    ['Invalid payload for Invocation message.', '95 01 80 c0 a0 90'],
    ['Invalid payload for Invocation message.', '95 01 80 01 a1 6d 90'],
    ['Invalid payload for Invocation message.', '96 01 80 c0 a1 6d 90 91 01'],
    ['Invalid payload for StreamInvocation message.', '95 04 80 c0 a1 6d 90'],
    ['Invalid payload for StreamItem message.', '93 02 80 a1 31'],
    ['Invalid payload for Completion message.', '93 03 80 a1 31'],
    ['Invalid payload for Completion message.', '94 03 80 a1 31 01'],
    ['Invalid payload for Completion message.', '94 03 80 a1 31 03'],
    ['Invalid payload for Completion message.', '95 03 80 a1 31 01 02'],
    ['Invalid invocation result kind.', '95 03 80 a1 31 04 01'],
    ['Invalid payload for CancelInvocation message.', '92 05 80'],
    ['Invalid payload for Close message.', '91 07'],
    ['Invalid payload for Close message.', '92 07 01'],
    ['Invalid SequenceId for Ack message.', '91 08'],
    ['Invalid SequenceId for Sequence message.', '92 09 ff'],
    ['Invalid SequenceId for Ack message.', '92 08 cf ff ff ff ff ff ff ff ff'],
    ['Incomplete message.', '92 06'],
    ['Incomplete message.', 'dd ff ff ff ff'],
    ['Incomplete message.', 'df ff ff ff ff'],
    ['Incomplete message.', 'c6 ff ff ff ff'],
    ['Incomplete message.', 'db ff ff ff ff'],
    ['Incomplete message.', 'c9 ff ff ff ff 01'],
    ['There are bytes after the message.', '91 06 06'],
    ['The byte 0xc1 begins no MessagePack value.', '91 c1'],
    ['Invalid timestamp.', '92 06 d4 ff 00'],
    ['Invalid timestamp.', '92 06 d7 ff ff ff ff ff 00 00 00 00'],
    ['Invalid timestamp.', '92 06 c7 0c ff 00 00 00 00 7f ff ff ff ff ff ff ff'],
    ['A key is no text and no number.', '92 06 81 c0 c0'],
  ])('%s', (why, body) => {
    expect(errorOf(() => decode([framed(body)]))).toMatchObject({ code: 'invalid_message', message: why });
  });

  it('has a limit of 64 levels', () => {
    const tooDeep = { code: 'invalid_message', message: 'The message has more than 64 levels.' };
    for (const open of ['91', '81 01', '81 a1 61']) {
      const item = (levels: number) => {
        const body = bytes(`94 02 80 a1 31 ${`${open} `.repeat(levels - 1)}c0`); // the message is a level too
        return join([Uint8Array.of((body.length & 127) | 128, body.length >> 7), body]);
      };
      expect(decode([item(64)])).toHaveLength(1);
      expect(errorOf(() => decode([item(65)]))).toMatchObject(tooDeep);
    }
    expect(errorOf(() => decode([join([bytes('80 80 02'), bytes('91'.repeat(32_768))])]))).toMatchObject(tooDeep);
  });

  it('is not written: a value of more than 64 levels is refused', () => {
    const nested = (levels: number): unknown => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], new Date(0));
    const item = (levels: number) => ({ type: StreamItem, invocationId: '1', item: nested(levels - 1) }) as const;
    expect(decode([codec.encode(item(64)) as Uint8Array])).toEqual([item(64)]);
    for (const levels of [65, 1_000, 100_000]) {
      const message = 'MessagePack has no way to write the value of more than 64 levels, or a cycle.';
      expect(errorOf(() => codec.encode(item(levels)))).toMatchObject({ code: 'not_encodable', message });
    }
  });

  it('is a length of more than 31 bits, a message without bytes, or text', () => {
    const tooBig = { message: 'Messages bigger than 2GB are not supported.', code: 'invalid_message' };
    expect(errorOf(() => decode([bytes('ff ff ff ff 08')]))).toMatchObject(tooBig);
    expect(errorOf(() => decode([bytes('80 80 80 80 80')]))).toMatchObject(tooBig);
    expect(decode([bytes('ff ff ff ff 07')])).toEqual([]);
    expect(errorOf(() => decode([bytes('00')]))).toMatchObject({ code: 'invalid_message' });
    expect(errorOf(() => codec.decoder().push('{"type":6}', () => undefined))).toMatchObject({ code: 'invalid_message' });
    codec.decoder().push('', () => expect.fail('delivered')); // a text frame with the handshake may end with an empty rest
  });

  it('does not prevent the delivery of the messages before it', () => {
    const messages: HubMessage[] = [];
    const decoder = codec.decoder();
    expect(errorOf(() => decoder.push(join([framed('91 06'), framed('c0')]), (each) => messages.push(each))).code).toBe('invalid_message');
    expect(messages).toEqual([{ type: Ping }]);
  });

  it('is refused by its announced size before its bytes arrive', () => {
    const limit = { maxMessageBytes: 100 };
    expect(errorOf(() => decode([bytes('65')], limit))).toMatchObject({ code: 'message_too_large', details: { limitBytes: 100 } });
    expect(errorOf(() => decode([bytes('ff ff'), bytes('ff ff 07')], limit))).toMatchObject({ code: 'message_too_large' });
    const fits = codec.encode({ type: StreamItem, invocationId: '1', item: 'x'.repeat(93) }) as Uint8Array;
    expect(fits).toHaveLength(101);
    expect(decode([fits, fits], limit)).toHaveLength(2);
  });

  it('gives messages or a HublineError for any bytes', () => {
    const isFine = (chunks: readonly Uint8Array[]): void => {
      try {
        decode(chunks, { maxMessageBytes: 32_768 });
      } catch (error) {
        expect(error).toBeInstanceOf(HublineError);
      }
    };
    const random = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(random, (body) => isFine([body])),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(random, (body) => isFine([join([Uint8Array.of(0x80 | (body.length & 0x7f), body.length >> 7), body])])),
      {
        numRuns: 3000,
      },
    );
    const damaged = fc.tuple(message, fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(damaged, ([each, at, byte]) => {
        const wire = codec.encode(each) as Uint8Array;
        wire[at % wire.length] = byte;
        isFine([wire]);
      }),
      { numRuns: 1000 },
    );
  }, 20_000);

  it('gives a HublineError whatever another implementation throws', () => {
    const broken = messagePackCodec({
      encode: () => {
        throw new RangeError('no');
      },
      decode: () => {
        throw new RangeError('no');
      },
    });
    expect(errorOf(() => broken.encode({ type: Ping }))).toMatchObject({ code: 'not_encodable' });
    expect(errorOf(() => broken.decoder().push(framed('91 06'), () => undefined))).toMatchObject({ code: 'invalid_message' });
  });
});
