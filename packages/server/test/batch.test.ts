import { expect, it } from 'vitest';
import { Batch, type Format } from '../src/transports/batch.ts';
import { binaryFrame, textFrame } from '../src/transports/frame.ts';

const joined: Format = (messages) => Buffer.from(messages.map((message) => message.toString()).join('|'));

it('a batch is shared by all callers that append the same messages in the same order', () => {
  const start = new Batch();
  const a = start.append('1').append('2');
  const b = start.append('1').append('2');
  expect(b).toBe(a);
  expect(a.count).toBe(2);
  expect(a.as(joined)).toBe(b.as(joined));
  expect(a.as(joined).toString()).toBe('1|2');
});

it('a batch with a different message is another batch, and the first one is unchanged', () => {
  const start = new Batch();
  const a = start.append('1').append('2').append('3');
  const b = start.append('1').append('x').append('3');
  const c = start.append('1').append('2');
  expect([a, b, c].map((batch) => batch.as(joined).toString())).toEqual(['1|2|3', '1|x|3', '1|2']);
  expect(start.count).toBe(0);
});

it('a batch keeps its bytes for each format', () => {
  const batch = new Batch().append('1');
  const upper: Format = () => Buffer.from('UPPER');
  expect(batch.as(joined).toString()).toBe('1');
  expect(batch.as(upper).toString()).toBe('UPPER');
  expect(batch.as(joined).toString()).toBe('1');
});

it('maxBytes of a batch is never below its size', () => {
  const texts = ['a', 'é', '€', '😀', '', '\u0000', 'mixed é€😀'];
  let batch = new Batch();
  let bytes = 0;
  for (const text of texts) {
    batch = batch.append(text);
    bytes += Buffer.byteLength(text);
    expect(batch.maxBytes).toBeGreaterThanOrEqual(bytes);
  }
  expect(new Batch().append(new Uint8Array(7)).maxBytes).toBe(7);
});

it.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])('textFrame and binaryFrame write %d bytes as RFC 6455 says', (length) => {
  const payload = Buffer.alloc(length, 'x');
  for (const [format, opcode] of [
    [textFrame, 0x81],
    [binaryFrame, 0x82],
  ] as const) {
    const frame = format([payload.subarray(0, length >> 1), payload.subarray(length >> 1)]);
    expect(frame[0]).toBe(opcode);
    const header =
      length < 126 ? [length]
      : length < 65_536 ? [126, length >> 8, length & 0xff]
      : [127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff];
    expect([...frame.subarray(1, 1 + header.length)]).toEqual(header);
    expect(frame.subarray(1 + header.length).equals(payload)).toBe(true);
  }
});

it('textFrame writes text and bytes in one frame, and counts bytes', () => {
  const frame = textFrame(['é€', Buffer.from('😀'), '']);
  expect(frame[1]).toBe(9);
  expect(frame.subarray(2).toString()).toBe('é€😀');
});
