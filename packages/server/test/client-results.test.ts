import { jsonCodec, MessageType, type Completion } from '@hubline/protocol';
import { messagePack } from '@hubline/protocol/messagepack';
import { describe, expect, it } from 'vitest';
import { decodeResults, readInvocationReply, encodeResult } from '../src/invocation/client-results.ts';

const packed = messagePack();
const codecs = new Map([jsonCodec, packed].map((codec) => [codec.name, codec]));
const answered = (result: unknown): Completion => ({ type: MessageType.Completion, invocationId: '1', result });

function deep(levels: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

describe('the result of a client that one node sends to another', () => {
  it.each([jsonCodec, packed])('the result of a client for another node round-trips in $name', (codec) => {
    const values = [null, 0, 'text', [1, [2]], { a: { b: true } }];
    const copies = values.map((value, i) => encodeResult(`${i}`, answered(value), { codec, spoken: new Set(codecs.keys()) }));
    const body = Buffer.concat(copies.flatMap(({ bytes }) => bytes ?? []));
    const { settled = [] } = readInvocationReply(JSON.parse(JSON.stringify({ settled: copies.map(({ header }) => header) })));
    expect(decodeResults(settled, body, codecs)).toEqual(values.map((value, i) => ({ id: `${i}`, value })));
  });

  it.each([jsonCodec, packed])(
    'the result of a client for another node is an error of that client if it cannot be encoded in $name',
    (codec) => {
      const thrown = {
        get bad(): never {
          throw Object.create(null);
        },
      };
      const cyclic: Record<string, unknown> = {};
      cyclic.self = cyclic;
      for (const value of [deep(50_000), thrown, cyclic, 1n << 70n, () => 1]) {
        const { header, bytes } = encodeResult('a', answered(value), { codec, spoken: new Set(['json']) });
        expect(header).toMatchObject({ id: 'a', code: expect.stringMatching(/^(client_error|not_encodable)$/) as string });
        expect(bytes).toBeUndefined();
      }
    },
  );

  it('the result of a client for another node is an error of that client if it cannot be decoded, and the results of other clients remain', () => {
    const good = ['a', 'c'].map((id) => encodeResult(id, answered(id), { codec: jsonCodec, spoken: new Set(['json']) }));
    const damaged = Buffer.from('{"type":3,');
    const body = Buffer.concat([good[0]!.bytes!, damaged, good[1]!.bytes!]);
    const settled = [
      good[0]!.header,
      { id: 'b', written: ['json', damaged.length] as const },
      good[1]!.header,
      { id: 'd', written: ['rare', 0] as const },
    ];
    expect(decodeResults(settled, body, codecs)).toEqual([
      { id: 'a', value: 'a' },
      expect.objectContaining({ id: 'b', code: 'client_error' }),
      { id: 'c', value: 'c' },
      expect.objectContaining({ id: 'd', code: 'client_error' }),
    ]);
  });
});
