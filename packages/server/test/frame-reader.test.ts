import { expect, it } from 'vitest';
import { FrameError, FrameReader } from '../src/transports/frame-reader.ts';
import { closeFrame } from '../src/transports/frame.ts';
import { encodeFrame, Opcode } from './fuzz/wire.ts';

const { continuation, text, binary, close, ping, pong } = Opcode;

/** Creates a reader, and collects what it delivers as lines. */
function reading() {
  const received: string[] = [];
  const mark = (isEnd: boolean): string => (isEnd ? '.' : '…');
  const reader = new FrameReader({
    text: (piece, isEnd) => void received.push(`text ${piece}${mark(isEnd)}`),
    binary: (piece, isEnd) => void received.push(`binary ${piece.toString('hex')}${mark(isEnd)}`),
    ping: (payload) => void received.push(`ping ${payload.toString()}`),
    pong: () => void received.push('pong'),
    peerClosed: (code) => void received.push(`close ${code}`),
  });
  return { reader, received };
}

function masked(opcode: number, payload: string, mask: readonly number[]): Buffer {
  const body = Buffer.from(payload).map((byte, i) => byte ^ mask[i % 4]!);
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | body.length, ...mask), body]);
}

const wholeOf = (received: readonly string[]): string => received.map((line) => line.replace(/^(text|binary) (.*).$/, '$2')).join('');

it('a FrameReader unmasks payloads that are cut at any byte', () => {
  const payload = 'Grüße, 𝄞 und mehr';
  const bytes = masked(text, payload, [0x12, 0xff, 0x00, 0x81]);
  for (let at = 0; at <= bytes.length; at++) {
    const { reader, received } = reading();
    reader.push(Buffer.from(bytes.subarray(0, at)));
    reader.push(Buffer.from(bytes.subarray(at)));
    expect(wholeOf(received)).toBe(payload);
    expect(received.at(-1)).toMatch(/\.$/);
  }
});

it('a FrameReader reads bytes one by one', () => {
  const { reader, received } = reading();
  const bytes = Buffer.concat([masked(binary, 'ab', [1, 2, 3, 4]), masked(ping, 'p', [1, 2, 3, 4]), masked(text, 'é', [0, 0, 0, 9])]);
  for (const byte of bytes) reader.push(Buffer.of(byte));
  expect(received).toEqual(['binary 61…', 'binary 62.', 'ping p', 'text …', 'text é.']);
});

it('a FrameReader joins the fragments of a message, with control frames between them', () => {
  const { reader, received } = reading();
  const parts = [
    encodeFrame(text, Buffer.from('a'), { isFinal: false }),
    encodeFrame(pong, Buffer.alloc(0)),
    encodeFrame(continuation, Buffer.from('b'), { isFinal: false }),
    encodeFrame(ping, Buffer.from('?')),
    encodeFrame(continuation, Buffer.alloc(0)),
  ];
  reader.push(Buffer.concat(parts));
  expect(received).toEqual(['text a…', 'pong', 'text b…', 'ping ?', 'text .']);
});

it('a FrameReader copies the payload of a control frame, so that no chunk is kept for a few bytes', () => {
  const payloads: Buffer[] = [];
  const nothing = (): void => undefined;
  const reader = new FrameReader({
    text: nothing,
    binary: nothing,
    ping: (payload) => payloads.push(payload),
    pong: nothing,
    peerClosed: nothing,
  });
  const bytes = masked(ping, 'alive', [1, 2, 3, 4]);
  for (let cut = 0; cut < bytes.length; cut++) {
    for (const chunk of [Buffer.from(bytes.subarray(0, cut)), Buffer.from(bytes.subarray(cut))]) {
      reader.push(chunk);
      chunk.fill(0); // a view would now contain zeros
    }
  }
  expect(payloads.map(String)).toEqual(Array.from(bytes, () => 'alive'));
});

it('a FrameReader keeps its partial header apart from other readers', () => {
  const readers = [reading(), reading()];
  const frames = ['one', 'two'].map((payload, i) => masked(text, payload, [i, 1, 2, 3]));
  for (let at = 0; at < frames[0]!.length; at++) readers.forEach(({ reader }, i) => reader.push(frames[i]!.subarray(at, at + 1)));
  expect(readers.map(({ received }) => wholeOf(received))).toEqual(['one', 'two']);
});

it('a FrameReader hands over the pieces of a frame as they arrive, whatever length is announced', () => {
  const { reader, received } = reading();
  reader.push(encodeFrame(binary, Buffer.from('ab'), { length: 2 ** 40 }));
  reader.push(Buffer.from('cd'));
  expect(received).toEqual(['binary 6162…', 'binary 6364…']);
});

it.each([
  [126, 4],
  [65_535, 4],
  [65_536, 10],
])('a FrameReader reads a length of %i', (length) => {
  const { reader, received } = reading();
  reader.push(encodeFrame(text, Buffer.alloc(length, 'x')));
  expect(received[0]).toHaveLength('text .'.length + length);
});

it.each([
  ['a text that is not UTF-8', 1007, encodeFrame(text, Buffer.of(0xff))],
  ['a text that ends within a character', 1007, encodeFrame(text, Buffer.of(0xc3))],
  ['a text whose last fragment ends within a character', 1007, Buffer.concat([encodeFrame(text, Buffer.of(0xe2), { isFinal: false }), encodeFrame(continuation, Buffer.of(0x82))])],
  ['a continuation of nothing', 1002, encodeFrame(continuation, Buffer.alloc(0))],
  ['a message inside another one', 1002, Buffer.concat([encodeFrame(text, Buffer.alloc(1), { isFinal: false }), encodeFrame(binary, Buffer.alloc(1))])],
  ['a frame without a mask', 1002, encodeFrame(text, Buffer.alloc(1), { isMasked: false })],
  ['a reserved bit', 1002, encodeFrame(text, Buffer.alloc(1), { reserved: 4 })],
  ['an unknown opcode', 1002, encodeFrame(3, Buffer.alloc(1))],
  ['a control frame in fragments', 1002, encodeFrame(ping, Buffer.alloc(1), { isFinal: false })],
  ['a control frame that is too long', 1002, encodeFrame(ping, Buffer.alloc(126))],
  ['half a close code', 1002, encodeFrame(close, Buffer.of(3))],
  ['a close code that is none', 1002, encodeFrame(close, Buffer.of(3, 0xed))],
  ['a length beyond whole numbers', 1009, encodeFrame(binary, Buffer.alloc(0), { length: 2 ** 53 })],
])('a FrameReader refuses %s with %i', (_what, code, bytes) => {
  const { reader } = reading();
  let thrown: unknown;
  try {
    reader.push(bytes);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FrameError);
  expect((thrown as FrameError).closeCode).toBe(code);
}); // prettier-ignore

it('a FrameReader reads nothing after a close frame', () => {
  const { reader, received } = reading();
  reader.push(Buffer.concat([encodeFrame(close, Buffer.alloc(0)), encodeFrame(text, Buffer.from('late'))]));
  reader.push(encodeFrame(text, Buffer.from('later')));
  expect(received).toEqual(['close 1005']);
});

it('closeFrame cuts a long reason at a whole character', () => {
  const frame = closeFrame(1009, `${'x'.repeat(122)}€`);
  expect(frame.subarray(0, 4)).toEqual(Buffer.of(0x88, 124, 0x03, 0xf1));
  expect(frame.subarray(4).toString()).toBe('x'.repeat(122));
});
