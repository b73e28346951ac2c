import { damaged, fieldsIn, isFields, MAX_BYTES, type Fields } from './decoding.ts';
import type { Claims } from './history.ts';
import type { Range } from './ranges.ts';

export type Ranges = Readonly<Record<string, readonly Range[]>>;

/** The sequences that a node misses, by channel. */
export type Ask = Readonly<Record<string, Missing>>;

export interface Missing {
  readonly ranges: readonly Range[];
  /** Given where some of it may be older than the asker's subscription: frames that were sent earlier are not asked for. */
  readonly withinMs?: number | undefined;
}

/** The most ranges of one ask, and of one channel that a node still has to answer: the time to look them up grows with their square. */
export const MAX_RANGES = 2000;

/**
 * The most frames and ranges of a part of an answer: the time to apply them grows with their square. A part ends with the range that
 * exceeds {@link MAX_RANGES}, and has some 1,500 frames.
 */
export const MAX_ENTRIES = 5000;

/** A part of the answer to an ask. */
export interface Answer {
  /** Frames as they were published, in their order on each channel. */
  readonly frames: readonly (readonly [channel: string, frame: Buffer])[];
  readonly gone: Ranges;
  readonly void: Ranges;
  readonly unsent: Ranges;
  /** Whether this is the last part. */
  readonly isLast: boolean;
}

export const encodeAsk = (ask: Ask): Buffer => Buffer.from(JSON.stringify(ask));
export const encodeClaims = (claims: Claims): Buffer => Buffer.from(JSON.stringify(claims));

/** 4 bytes: the length of a header; the header: a JSON object; the frames, one after the other. */
export function encodeAnswer({ frames, ...rest }: Answer): Buffer {
  const header = Buffer.from(JSON.stringify({ ...rest, frames: frames.map(([channel, frame]) => [channel, frame.length]) }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  return Buffer.concat([length, header, ...frames.map(([, frame]) => frame)]);
}

/** @throws HublineError `invalid_message` */
export function decodeAsk(payload: Uint8Array): Ask {
  const ask = parse(payload);
  const channels = Object.entries(ask).map(([channel, missing]): [string, Missing] => {
    const { ranges, withinMs } = isFields(missing) ? missing : {};
    if (withinMs !== undefined && !(typeof withinMs === 'number' && withinMs >= 0)) throw broken('an ask');
    return [channel, { ranges: checkedRanges({ ranges }, 'an ask').ranges ?? [], withinMs }];
  });
  if (channels.reduce((count, [, { ranges }]) => count + ranges.length, 0) > MAX_RANGES) throw broken('an ask of too many ranges');
  return Object.fromEntries(channels);
}

/** @throws HublineError `invalid_message` */
export function decodeClaims(payload: Uint8Array): Claims {
  return checkedClaims(parse(payload));
}

/** @throws HublineError `invalid_message` */
export function decodeAnswer(payload: Uint8Array): Answer {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const frameAt = bytes.length < 4 ? Number.POSITIVE_INFINITY : 4 + bytes.readUInt32BE();
  if (frameAt > bytes.length) throw broken('an answer is cut short');
  const header = parse(bytes.subarray(4, frameAt));
  if (!Array.isArray(header.frames)) throw broken('an answer without frames');
  let at = frameAt;
  const frames = (header.frames as unknown[]).map((each): readonly [string, Buffer] => {
    const [channel, length] = Array.isArray(each) ? (each as unknown[]) : [];
    if (typeof channel !== 'string' || !isCount(length) || at + length > bytes.length) throw broken('a frame of an answer');
    return [channel, bytes.subarray(at, (at += length))];
  });
  const rangesIn = (verdict: 'gone' | 'void' | 'unsent'): Ranges => checkedRanges(header[verdict], 'an answer');
  const [gone, voids, unsent] = [rangesIn('gone'), rangesIn('void'), rangesIn('unsent')];
  const count = [gone, voids, unsent].flatMap((ranges) => Object.values(ranges)).reduce((sum, { length }) => sum + length, frames.length);
  if (count > MAX_ENTRIES) throw broken('an answer of too many frames and ranges');
  return { frames, gone, void: voids, unsent, isLast: header.isLast === true };
}

/** @throws HublineError `invalid_message` */
export function checkedClaims(claims: unknown): Claims {
  if (!isFields(claims)) throw broken('claims are no object');
  for (const claim of Object.values(claims)) if (!isRange(claim, 0)) throw broken('a claim is no range');
  return claims as Claims;
}

function checkedRanges(ranges: unknown, where: string): Ranges {
  if (!isFields(ranges)) throw broken(`ranges of ${where} are no object`);
  for (const each of Object.values(ranges)) {
    if (!Array.isArray(each) || !each.every((range) => isRange(range, 1))) throw broken(`a range of ${where}`);
  }
  return ranges as Ranges;
}

function parse(payload: Uint8Array): Fields {
  if (payload.byteLength > MAX_BYTES) throw broken(`${payload.byteLength} bytes`);
  const fields = fieldsIn(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString());
  if (!fields) throw broken('no object');
  return fields;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
function isRange(value: unknown, least: number): value is Range {
  const [from, to, ...more] = Array.isArray(value) ? (value as unknown[]) : [];
  return isCount(from) && isCount(to) && more.length === 0 && from >= least && from <= to;
}

const broken = (why: string) => damaged('message of repair', why);
