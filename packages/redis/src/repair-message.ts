import { read, type Read } from '@hubline/server/backplane';
import { damaged, fieldsIn, isFields, MAX_BYTES } from './decoding.ts';
import type { Claims } from './history.ts';
import type { Range } from './ranges.ts';

export type Ranges = Readonly<Record<string, readonly Range[]>>;

/** A request for the sequences that a node misses, by channel. */
export type Ask = Readonly<Record<string, Missing>>;

export interface Missing {
  readonly ranges: readonly Range[];
  /** Set if some sequences may be older than the requester's subscription: frames that were sent earlier are not requested. */
  readonly withinMs?: number | undefined;
}

/** The most ranges of one request, and of one channel that a node has not answered yet: the time to read them grows with their square. */
export const MAX_RANGES = 2000;

/**
 * The most frames and ranges of one part of an answer: the time to apply them grows with their square. Nodes end a part after the range
 * that exceeds {@link MAX_RANGES}, with some 1,500 frames.
 */
export const MAX_ENTRIES = 5000;

/** A part of the answer to a request. */
export interface Answer {
  /** The frames as they were published, in their order on each channel. */
  readonly frames: readonly (readonly [channel: string, frame: Buffer])[];
  readonly gone: Ranges;
  readonly void: Ranges;
  readonly unsent: Ranges;
  /** Whether this is the last part. */
  readonly isLast: boolean;
}

export const encodeAsk = (ask: Ask): Buffer => Buffer.from(JSON.stringify(ask));
export const encodeClaims = (claims: Claims): Buffer => Buffer.from(JSON.stringify(claims));

/** Encodes 4 bytes with the length of a header, the header as a JSON object, and the frames one after the other. */
export function encodeAnswer({ frames, ...rest }: Answer): Buffer {
  const header = Buffer.from(JSON.stringify({ ...rest, frames: frames.map(([channel, frame]) => [channel, frame.length]) }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  return Buffer.concat([length, header, ...frames.map(([, frame]) => frame)]);
}

/** Reads a range whose first sequence is not below `least`. */
const range =
  (least: number): Read<Range> =>
  (value) => {
    const [from = -1, to = -1, ...more] = read.list(read.count)(value);
    return least <= from && from <= to && more.length === 0 ? [from, to] : read.refuse('a range', value);
  };

/** Reads an object whose keys are channels. */
const byChannel =
  <T>(each: Read<T>): Read<Readonly<Record<string, T>>> =>
  (value) =>
    isFields(value) ?
      Object.fromEntries(Object.entries(value).map(([channel, item]) => [channel, each(item)]))
    : read.refuse('an object', value);

const readRanges = byChannel(read.list(range(1)));
/** @throws HublineError `invalid_message` */
export const readClaims: Read<Claims> = byChannel(range(0));
const readAsk: Read<Ask> = byChannel(
  read.fields({
    ranges: read.list(range(1)),
    withinMs: read.optional((value) => (read.number(value) >= 0 ? (value as number) : read.refuse('a duration', value))),
  }),
);
const readHeader = read.fields({
  frames: read.list((value) => {
    const [channel, length] = read.list<unknown>((item) => item)(value);
    return [read.text(channel), read.count(length)] as const;
  }),
  gone: readRanges,
  void: readRanges,
  unsent: readRanges,
  isLast: (value) => value === true,
});

/** @throws HublineError `invalid_message` */
export function decodeAsk(payload: Uint8Array): Ask {
  const ask = readAsk(parse(payload));
  if (Object.values(ask).reduce((count, { ranges }) => count + ranges.length, 0) > MAX_RANGES) throw broken('an ask of too many ranges');
  return ask;
}

/** @throws HublineError `invalid_message` */
export const decodeClaims = (payload: Uint8Array): Claims => readClaims(parse(payload));

/** @throws HublineError `invalid_message` */
export function decodeAnswer(payload: Uint8Array): Answer {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const frameAt = bytes.length < 4 ? Number.POSITIVE_INFINITY : 4 + bytes.readUInt32BE();
  if (frameAt > bytes.length) throw broken('an answer is cut short');
  const { frames: places, ...header } = readHeader(parse(bytes.subarray(4, frameAt)));
  let at = frameAt;
  const frames = places.map(([channel, length]) => {
    if (at + length > bytes.length) throw broken('an answer is cut short');
    return [channel, bytes.subarray(at, (at += length))] as const;
  });
  const ranges = [header.gone, header.void, header.unsent].flatMap((each) => Object.values(each));
  if (ranges.reduce((count, { length }) => count + length, frames.length) > MAX_ENTRIES) {
    throw broken('an answer of too many frames and ranges');
  }
  return { frames, ...header };
}

function parse(payload: Uint8Array): unknown {
  if (payload.byteLength > MAX_BYTES) throw broken(`${payload.byteLength} bytes`);
  return fieldsIn(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString());
}

const broken = (why: string) => damaged('message of repair', why);
