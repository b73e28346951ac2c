import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  HandshakeReader,
  isHublineError,
  jsonCodec,
  MessageType,
  parseJson,
  parseHandshakeRequest,
  parseHandshakeResponse,
  type HubMessage,
  type Wire,
} from '@hubline/protocol';
import { json, message } from './arbitraries.ts';
import { errorOf } from './error-of.ts';

const { Ping } = MessageType;

/** Returns the messages before the first error, and that error. An undocumented exception fails the test. */
function receive(...chunks: readonly Wire[]) {
  const messages: HubMessage[] = [];
  const decoder = jsonCodec.decoder({ maxMessageBytes: 100_000 });
  try {
    for (const chunk of chunks) decoder.push(chunk, (received) => messages.push(received));
  } catch (error) {
    if (!isHublineError(error) || !['invalid_message', 'message_too_large'].includes(error.code)) throw error;
    return { messages, fault: error };
  }
  return { messages };
}

describe('malformed JSON messages', () => {
  const SEQUENCE_IDS = ['', ',"sequenceId":-1', ',"sequenceId":1.5', ',"sequenceId":"1"', ',"sequenceId":null', ',"sequenceId":1e300'];
  const ID = '"invocationId":"1"';
  const CASES: Record<string, readonly string[]> = {
    'The message is not JSON.': ['', ' ', 'x', '{', '{"type":6}}', "{'type':6}", '{"type":6,}', 'undefined', '\u0000', '[1'],
    'Invalid payload.': ['null', '1', 'true', '"text"', '[]', '[6]', '{}', '{"type":null}', '{"type":"6"}', '{"type":[6]}', '{"Type":6}'],
    'Invalid payload for Invocation message.': [
      '{"type":1}',
      '{"type":1,"arguments":[]}',
      '{"type":1,"target":"","arguments":[]}',
      '{"type":1,"target":1,"arguments":[]}',
      '{"type":1,"target":"t","arguments":[],"invocationId":1}',
      '{"type":1,"target":"t","arguments":[],"streamIds":"1"}',
      '{"type":1,"target":"t","arguments":[],"streamIds":[1]}',
      '{"type":1,"target":"t","arguments":[],"streamIds":[""]}',
    ],
    'Invalid payload for StreamInvocation message.': [
      '{"type":4,"target":"t","arguments":[]}',
      `{"type":4,${ID},"arguments":[]}`,
      `{"type":4,${ID},"target":"t","arguments":[],"streamIds":{}}`,
    ],
    'Invalid payload for StreamItem message.': [
      '{"type":2,"item":1}',
      `{"type":2,${ID}}`,
      '{"type":2,"invocationId":"","item":1}',
      '{"type":2,"invocationId":1,"item":1}',
    ],
    'Invalid payload for Completion message.': [
      '{"type":3}',
      '{"type":3,"invocationId":1}',
      `{"type":3,${ID},"error":1}`,
      `{"type":3,${ID},"result":1,"error":"e"}`,
    ],
    'Invalid payload for CancelInvocation message.': ['{"type":5}', '{"type":5,"invocationId":""}', '{"type":5,"invocationId":{}}'],
    'Invalid payload for Close message.': [
      '{"type":7,"error":1}',
      '{"type":7,"allowReconnect":"yes"}',
      '{"type":7,"code":{}}',
      '{"type":7,"reason":1}',
    ],
    'Invalid SequenceId for Ack message.': SEQUENCE_IDS.map((part) => `{"type":8${part}}`),
    'Invalid SequenceId for Sequence message.': SEQUENCE_IDS.map((part) => `{"type":9${part}}`),
    'Invalid payload for Credit message.': [
      `{"type":64,${ID}}`,
      '{"type":64,"credit":1}',
      `{"type":64,${ID},"credit":-1}`,
      `{"type":64,${ID},"credit":"1"}`,
    ],
  };
  const cases = Object.entries(CASES).flatMap(([why, records]) => records.map((record) => ({ why, record })));

  it.each(cases)('malformed JSON messages are refused: $record with "$why"', ({ why, record }) => {
    expect(receive(`${record}\u001e`).fault).toMatchObject({ code: 'invalid_message', message: why });
  });

  it.each<[record: string, message: object]>([
    ['{"type":1,"target":"t"}', { type: 1, target: 't', arguments: [], unbound: true }],
    ['{"type":1,"target":"t","arguments":null}', { type: 1, target: 't', arguments: [], unbound: true }],
    ['{"type":1,"target":"t","arguments":{"length":1}}', { type: 1, target: 't', arguments: [], unbound: true }],
    [`{"type":4,${ID},"target":"t"}`, { type: 4, invocationId: '1', target: 't', arguments: [], unbound: true }],
    ['{"type":1,"target":"t","arguments":[],"invocationId":""}', { type: 1, target: 't', arguments: [] }],
    ['{"type":1,"target":"t","arguments":[],"invocationId":null}', { type: 1, target: 't', arguments: [] }],
    ['{"type":1,"target":"t","arguments":[],"streamIds":null}', { type: 1, target: 't', arguments: [] }],
    [`{"type":3,${ID},"error":""}`, { type: 3, invocationId: '1', error: '' }],
    [`{"type":3,${ID},"error":null}`, { type: 3, invocationId: '1' }],
    [`{"type":3,${ID},"error":null,"result":1}`, { type: 3, invocationId: '1', result: 1 }],
    [`{"type":3,${ID},"error":"","result":1}`, { type: 3, invocationId: '1', result: 1 }],
    [`{"type":3,${ID},"error":"e","result":false}`, { type: 3, invocationId: '1', error: 'e', result: false }],
    [`{"type":3,${ID},"headers":null}`, { type: 3, invocationId: '1' }],
    [`{"type":3,${ID},"headers":"x"}`, { type: 3, invocationId: '1' }],
    [`{"type":2,${ID},"item":1,"headers":[]}`, { type: 2, invocationId: '1', item: 1 }],
    ['{"type":1,"target":"t","arguments":[],"headers":{"a":1}}', { type: 1, target: 't', arguments: [] }],
  ])('malformed JSON messages are accepted if an official implementation accepts them: %s', (record, message) => {
    expect(receive(`${record}\u001e`)).toStrictEqual({ messages: [message] });
  });

  it('malformed JSON messages do not prevent the delivery of the messages before them', () => {
    const { messages, fault } = receive('{"type":6}\u001e{"type":5,"invocationId":"1"}\u001e{"type":5}\u001e{"type":6}\u001e');
    expect(messages).toEqual([{ type: Ping }, { type: MessageType.CancelInvocation, invocationId: '1' }]);
    expect(fault).toMatchObject({ code: 'invalid_message' });
  });

  it.each(['0', '10', '63', '65', '255', '-1', '1.5', '1e400', '9007199254740993'])(
    'messages of the unknown type %s are skipped',
    (type) => {
      expect(receive(`{"type":${type},"headers":7,"target":{}}\u001e{"type":6}\u001e`)).toEqual({ messages: [{ type: Ping }] });
    },
  );

  it('messages with additional whitespace, fields and nulls are accepted', () => {
    const odd = [
      `{"arguments":[],"target":"t","type":1}`,
      ` {"type" : 6 , "later":[1]} \n`,
      `{"type":3,${ID},"result":null,"error":"e"}`,
      `{"type":7,"error":null,"allowReconnect":null}`,
      `{"type":2,${ID},"item":null}`,
    ];
    expect(receive(odd.map((record) => `${record}\u001e`).join('')).messages).toHaveLength(odd.length);
  });
});

describe('arbitrary JSON input', () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  /** Text that passes the first checks: characters of JSON, separators and parts of real messages. */
  const nearly = fc
    .array(
      fc.oneof(
        fc.constantFrom(...'{}[]",:\\0127\u001e', '"type":', '__proto__', '\\u005f', 'null'),
        message.map((sent) => JSON.stringify(sent)),
        fc.string(),
      ),
    )
    .map((parts) => parts.join(''));

  it('arbitrary JSON input gives messages or the documented error for any bytes', () => {
    fc.assert(
      fc.property(fc.array(bytes), (chunks) => void receive(...chunks)),
      { numRuns: 500 },
    );
  });

  it('arbitrary JSON input gives messages or the documented error for any text', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(nearly, fc.string({ unit: 'binary' }))), (chunks) => void receive(...chunks, '\u001e')),
      { numRuns: 1000 },
    );
  });

  it('arbitrary JSON input gives messages or the documented error for any JSON, and for messages with a replaced field', () => {
    const spoiled = fc
      .record({ sent: message, key: fc.nat(), value: json })
      .map(({ sent, key, value }) => ({ ...sent, [Object.keys(sent)[key % Object.keys(sent).length] as string]: value }));
    fc.assert(
      fc.property(fc.oneof(json, spoiled), (value) => void receive(`${JSON.stringify(value)}\u001e`)),
      { numRuns: 1000 },
    );
  });

  it('arbitrary JSON input gives the documented error for more than 64 levels, in any spelling', () => {
    const nested = (levels: number, open: string, close: string) =>
      // The message is a level too.
      `{"type":2,"invocationId":"1","item":${open.repeat(levels - 1)}1${close.repeat(levels - 1)}}\u001e`;
    const spellings: [open: string, close: string][] = [
      ['[', ']'],
      ['[1,', ']'],
      ['{"a":', '}'],
      ['{"__proto__":', '}'],
      ['{"a\\u0061":', '}'],
      ['["]]]]",', ']'],
      ['["\\"]",', ']'],
      ['["\\\\",', ']'],
    ];
    for (const [open, close] of spellings) {
      expect(receive(nested(64, open, close)).messages).toHaveLength(1);
      for (const levels of [65, 100, 4_000]) {
        expect(receive(nested(levels, open, close)).fault).toMatchObject({ message: 'The message has more than 64 levels.' });
      }
    }
    expect(receive(`${'['.repeat(90_000)}\u001e`).fault).toMatchObject({ code: 'invalid_message' });
    const deep = `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`;
    expect(errorOf(() => parseHandshakeRequest(deep))).toMatchObject({ code: 'invalid_message' });
    expect(errorOf(() => parseHandshakeResponse(deep))).toMatchObject({ code: 'invalid_message' });
  });

  it('texts in JSON messages may have any number of brackets', () => {
    const item = ['[', '{', '"', '\\', '\\"['].flatMap((text) => [text.repeat(200), [text.repeat(99)]]);
    const text = jsonCodec.encode({ type: MessageType.StreamItem, invocationId: '1', item });
    expect(receive(text).messages).toMatchObject([{ item }]);
  });

  it('arbitrary JSON input gives a record or the documented error for handshakes', () => {
    const read = (chunks: readonly Wire[]) => {
      const reader = new HandshakeReader(1000);
      for (const chunk of chunks) {
        const found = reader.push(chunk);
        if (found) return found.record;
      }
      return undefined;
    };
    const tryAll = (chunks: readonly Wire[]) => {
      for (const parse of [parseHandshakeRequest, parseHandshakeResponse]) {
        try {
          const record = read(chunks);
          if (record !== undefined) parse(record);
        } catch (error) {
          if (!isHublineError(error) || !['invalid_message', 'message_too_large'].includes(error.code)) throw error;
        }
      }
    };
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            bytes,
            nearly,
            json.map((value) => JSON.stringify(value)),
          ),
        ),
        (chunks) => tryAll([...chunks, '\u001e']),
      ),
      { numRuns: 500 },
    );
  });
});

describe('parseJson', () => {
  it('parseJson parses the escapes that .NET writes without a reviver', () => {
    const parse = vi.spyOn(JSON, 'parse');
    const text = String.raw`"\u0022\u0026\u0027\u002B\u003Cb\u003E\u0060\u00E9"`;
    expect(parseJson(text)).toBe('"&\'+<b>`é');
    expect(parse.mock.lastCall).toEqual([text, undefined]); // a reviver would make it six times as slow
    parse.mockRestore();
  });
});

describe('the key __proto__', () => {
  const SPELLINGS = ['__proto__', '\\u005f_proto__', '__pr\\u006Fto__', '\\u005F\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f\\u005f'];
  const PLACES: readonly ((key: string) => string)[] = [
    (key) => `{"type":6,"${key}":{"polluted":true}}`,
    (key) => `{"type":1,"target":"t","arguments":[{"${key}":{"polluted":true}}]}`,
    (key) => `{"type":2,"invocationId":"1","item":{"a":[{"${key}":{"polluted":true},"kept":1}]}}`,
    (key) => `{"type":3,"invocationId":"1","headers":{"${key}":"x"}}`,
    (key) => `{"type":2,"invocationId":"1","item":{"${key}":{"${key}":{"polluted":true}}}}`,
  ];

  it.each(SPELLINGS)('the key __proto__ is dropped in any spelling: %s', (key) => {
    for (const place of PLACES) {
      const [received] = receive(`${place(key)}\u001e`).messages;
      expect(received).toBeDefined();
      expect(keysIn(received)).not.toContain('__proto__');
      expect(Object.assign({}, received)).not.toHaveProperty('polluted');
    }
    expect({}).not.toHaveProperty('polluted');
  });

  it('the key __proto__ is dropped in a handshake', () => {
    for (const key of SPELLINGS) {
      const record = `{"protocol":"json","version":1,"${key}":{"hubline":7}}`;
      expect(parseHandshakeRequest(record)).toEqual({ protocol: 'json', version: 1 });
      expect(keysIn(parseHandshakeResponse(record))).not.toContain('__proto__');
    }
  });

  it('the key __proto__ is dropped without its neighbours, and texts keep it', () => {
    const { messages } = receive('{"type":2,"invocationId":"1","item":[{"__proto__":1,"kept":1},"__proto__","\\u005f"]}\u001e');
    expect(messages).toEqual([{ type: MessageType.StreamItem, invocationId: '1', item: [{ kept: 1 }, '__proto__', '_'] }]);
  });

  it('the key __proto__ is no type of a message', () => {
    for (const type of ['"__proto__"', '"constructor"']) {
      expect(errorOf(() => jsonCodec.decoder().push(`{"type":${type}}\u001e`, () => expect.fail('delivered'))).message).toBe(
        'Invalid payload.',
      );
    }
  });
});

function keysIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => [key, ...keysIn(part)]);
}
