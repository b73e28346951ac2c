import { expect, it } from 'vitest';
import { createEventReader } from '../src/server-sent-events.ts';

/** Returns the data of each event of a stream that arrives in these pieces. */
function read(...pieces: readonly (string | Uint8Array)[]): readonly string[] {
  const events: string[] = [];
  const push = createEventReader((data) => void events.push(data));
  for (const piece of pieces) push(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
  return events;
}

it.each([
  ['one event', 'data: a\n\n', ['a']],
  ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
  ['CR', 'data: a\r\rdata: b\r\r', ['a', 'b']],
  ['all ends mixed', 'data: a\r\n\rdata: b\r\rdata: c\n\r\n', ['a', 'b', 'c']],
  ['several lines', 'data: a\ndata:b\ndata:  c\n\n', ['a\nb\n c']],
  ['data without a colon, or without a text', 'data: a\ndata\ndata:\ndata: b\n\n', ['a\n\n\nb']],
  ['comments', ':\r\n\r\n: keep alive\ndata: a\n:\n\n', ['a']],
  ['other fields', 'event: x\nid: 1\nretry: 5\ndatabase: y\ndata: a\n data: z\n\n', ['a']],
  ['an event without data', 'id: 1\n\ndata\n\ndata: a\n\n', ['a']],
  ['an event that has not ended', 'data: a\n\ndata: b\n', ['a']],
  ['a byte order mark', '\ufeffdata: a\n\n', ['a']],
  ['characters of one to four bytes', 'data: aü你👋\n\n', ['aü你👋']],
])('the event reader reads %s, cut at any byte', (_, stream, expected) => {
  const bytes = new TextEncoder().encode(stream);
  expect(read(bytes)).toEqual(expected);
  for (let cut = 1; cut < bytes.length; cut++) expect(read(bytes.slice(0, cut), bytes.slice(cut))).toEqual(expected);
  expect(read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(expected);
  expect(read(...Array.from(bytes, (byte) => [Uint8Array.of(), Uint8Array.of(byte)]).flat())).toEqual(expected);
});

it('the event reader delivers an event at its end, although a line feed may follow', () => {
  expect(read('data: a\r\r')).toEqual(['a']);
  expect(read('data: a\r', '\r')).toEqual(['a']);
  expect(read('data: a\r', '\n\r')).toEqual(['a']);
});

it('the event reader reads a long line in many pieces in linear time', () => {
  const piece = 'x'.repeat(1_000);
  const events = read('data: ', ...Array.from({ length: 5_000 }, () => piece), '\n\n');
  expect(events[0]).toHaveLength(5_000_000);
});

it('the event reader limits an event without an end, also one of empty lines', () => {
  const push = createEventReader(() => undefined, 1000);
  const lines = new TextEncoder().encode('data:\n'.repeat(100));
  const pushAll = (): void => {
    for (let i = 0; i < 20; i++) push(lines);
  };
  expect(pushAll).toThrow(expect.objectContaining({ code: 'message_too_large' }));
});
