import { describe, expect, it } from 'vitest';
import {
  encodeHandshake,
  HandshakeReader,
  jsonCodec,
  parseHandshakeRequest,
  parseHandshakeResponse,
  type HubMessage,
  type Wire,
} from '@hubline/protocol';
import { errorOf } from './error-of.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('HandshakeReader', () => {
  const REQUEST = '{"protocol":"jsön","version":1}';

  it.each([
    ['text', (text: string): Wire => text],
    ['bytes', (text: string): Wire => bytes(text)],
  ])('HandshakeReader returns the record and what follows it, from %s', (_, wireOf) => {
    expect(new HandshakeReader().push(wireOf(`${REQUEST}\u001e`))).toEqual({ record: REQUEST, rest: wireOf('') });
    const found = new HandshakeReader().push(wireOf(`${REQUEST}\u001e{"type":6}\u001e{"ty`));
    expect(found).toEqual({ record: REQUEST, rest: wireOf('{"type":6}\u001e{"ty') });
    const messages: HubMessage[] = [];
    if (found) jsonCodec.decoder().push(found.rest, (message) => messages.push(message));
    expect(messages).toEqual([{ type: 6 }]);
  });

  it('HandshakeReader returns following bytes as they are, for a binary protocol', () => {
    const frame = Uint8Array.of(...bytes('{}\u001e'), 0x02, 0x91, 0x06, 0xff, 0x1e);
    expect(new HandshakeReader().push(frame)).toEqual({ record: '{}', rest: Uint8Array.of(0x02, 0x91, 0x06, 0xff, 0x1e) });
  });

  it('HandshakeReader waits for the end of the record, also if a character is cut', () => {
    const reader = new HandshakeReader();
    const whole = bytes(`${REQUEST}\u001e`);
    for (const byte of whole.slice(0, -1)) expect(reader.push(Uint8Array.of(byte))).toBeUndefined();
    expect(reader.push(whole.slice(-1))).toEqual({ record: REQUEST, rest: new Uint8Array() });
  });

  it('HandshakeReader refuses a record that is too large before its end', () => {
    const tooLarge = { code: 'message_too_large', details: { limitBytes: 100 } };
    expect(errorOf(() => new HandshakeReader(100).push('x'.repeat(101)))).toMatchObject(tooLarge);
    expect(errorOf(() => new HandshakeReader(100).push(bytes(`${'x'.repeat(101)}\u001e`)))).toMatchObject(tooLarge);
    const reader = new HandshakeReader(100);
    reader.push('x'.repeat(60));
    expect(errorOf(() => reader.push('x'.repeat(60)))).toMatchObject(tooLarge);
  });

  it('HandshakeReader counts the record and not what follows it', () => {
    const rest = '{"type":6}\u001e'.repeat(100);
    expect(new HandshakeReader(100).push(`${REQUEST}\u001e${rest}`)).toEqual({ record: REQUEST, rest });
  });
});

describe('handshake request', () => {
  it.each([
    { protocol: 'json', version: 1 },
    { protocol: 'messagepack', version: 2, hubline: 1 },
  ])('a handshake request is the same after encoding and parsing: %o', (request) => {
    expect(parseHandshakeRequest(encodeHandshake(request).slice(0, -1))).toEqual(request);
  });

  it('a handshake request drops unknown fields', () => {
    expect(parseHandshakeRequest('{"protocol":"json","version":1,"minorVersion":3,"hubline":"1"}')).toEqual({
      protocol: 'json',
      version: 1,
    });
  });

  it.each([
    '',
    'x',
    '{',
    'null',
    '[]',
    '1',
    '"json"',
    '{}',
    '{"protocol":"json"}',
    '{"version":1}',
    '{"protocol":1,"version":1}',
    '{"protocol":"json","version":"1"}',
    '{"protocol":"json","version":1.5}',
    '{"type":6}',
  ])('a handshake request is refused: %j', (record) => {
    expect(errorOf(() => parseHandshakeRequest(record)).code).toBe('invalid_message');
  });
});

describe('handshake response', () => {
  it.each([
    {},
    { hubline: 1 },
    { hubline: 1, maxMessageBytes: 9, connectionId: 'c', node: 'n' },
    { error: "The protocol 'x' is not supported." },
  ])('a handshake response is the same after encoding and parsing: %o', (response) => {
    expect(parseHandshakeResponse(encodeHandshake(response).slice(0, -1))).toEqual(response);
  });

  it('a handshake response drops unknown fields and an error of null', () => {
    expect(parseHandshakeResponse('{"minorVersion":0,"error":null,"hubline":"1","type":0}')).toEqual({});
  });

  it.each(['{"type":6}', '{"type":1,"target":"t","arguments":[]}', '{"type":"x"}', '{"error":5}', '{"error":{}}'])(
    "is refused with SignalR's text: %s",
    (record) => {
      expect(errorOf(() => parseHandshakeResponse(record))).toMatchObject({
        code: 'invalid_message',
        message: 'Expected a handshake response from the server.',
      });
    },
  );

  it.each(['', 'x', 'null', '[]', 'true'])('a handshake response is refused: %j', (record) => {
    expect(errorOf(() => parseHandshakeResponse(record)).code).toBe('invalid_message');
  });
});
