import { END } from './mutate.ts';
import { Malformed, readMessagePack } from './reference-messagepack.ts';

/** A call, which is answered if it has an id. */
export interface SentCall {
  readonly type: number;
  readonly target: string;
  readonly argument: unknown;
}

/** The promise of PROTOCOL.md for bytes that follow a handshake. */
export interface Verdict {
  /** How the connection ends: with a Close of one of these texts, or with the client's Close. */
  readonly end?: { readonly texts: readonly string[]; readonly code: string } | 'goodbye';
  /** The number of bytes that an incomplete message still needs. */
  readonly missing: number;
  /** The number of messages before the end. */
  readonly messages: number;
}

/** The argument of a call without a list of arguments, which fails. */
export const NO_ARGUMENTS = Symbol('no arguments');

/** PROTOCOL.md, 4. */
export const MAX_LEVELS = 64;

type Message = ReadonlyMap<string, unknown>;
/** Yields messages, and at the end a fault or the number of missing bytes. */
type Read = (bytes: Uint8Array) => Generator<Message | Fault | number | undefined, void, undefined>;

/** The reason why bytes are no message. */
class Fault {
  readonly texts: readonly string[];
  readonly code: string;
  constructor(texts: readonly string[], code = 'invalid_message') {
    this.texts = texts;
    this.code = code;
  }
}

/** Reads the bytes of one connection as PROTOCOL.md says, independently of the server's decoders. */
export class Oracle {
  readonly #read: Read;
  /** The calls by their invocation ids. */
  readonly calls = new Map<string, SentCall[]>();

  constructor(protocol: 'json' | 'messagepack', maxMessageBytes: number) {
    this.#read = protocol === 'json' ? (bytes) => records(bytes, maxMessageBytes) : (bytes) => bodies(bytes, maxMessageBytes);
  }

  /** Judges bytes. An incomplete message changes nothing: judge the bytes again with the rest. */
  judge(bytes: Uint8Array): Verdict {
    const read: (Message | Fault | number | undefined)[] = [];
    for (const each of this.#read(bytes)) {
      read.push(each);
      if (each instanceof Fault) break;
    }
    const last = read.at(-1);
    if (typeof last === 'number') return { missing: last, messages: read.filter((message) => message instanceof Map).length };
    let messages = 0;
    const verdict = (end?: Verdict['end']): Verdict => ({ messages, missing: 0, ...(end ? { end } : {}) });
    for (const message of read) {
      if (message instanceof Fault) return verdict(message);
      if (!(message instanceof Map)) continue; // an unknown type
      messages++;
      if (message.get('type') === 7) return verdict('goodbye');
      this.#note(message);
    }
    return verdict();
  }

  #note(message: Message): void {
    const type = message.get('type') as number;
    const id = message.get('invocationId');
    if ((type !== 1 && type !== 4) || !isName(id)) return;
    const given = message.get('arguments');
    const call = { type, target: message.get('target') as string, argument: Array.isArray(given) ? (given[0] as unknown) : NO_ARGUMENTS };
    this.calls.set(id as string, [...(this.calls.get(id as string) ?? []), call]);
  }
}

function* records(bytes: Uint8Array, maxBytes: number): ReturnType<Read> {
  // The separator's byte is part of no longer UTF-8 character, so it can be searched in the bytes.
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(END, start);
    if (found < 0) return yield 1;
    const text = Buffer.from(bytes.subarray(start, found)).toString();
    start = found + 1;
    if (Buffer.byteLength(text) > maxBytes) return yield tooLarge(maxBytes);
    if (levelsIn(text) > MAX_LEVELS) return yield new Fault(UNREADABLE.depth!);
    let parsed: unknown;
    try {
      parsed = JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value));
    } catch {
      return yield new Fault(['The message is not JSON.']);
    }
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    yield checked(isObject ? new Map(Object.entries(parsed as object)) : new Map());
  }
}

/** The depth of brackets outside texts. */
export function levelsIn(text: string): number {
  let most = 0;
  let level = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text[i]!;
    if (inText && unit === '\\') i++;
    else if (unit === '"') inText = !inText;
    else if (!inText && '[{'.includes(unit)) most = Math.max(most, ++level);
    else if (!inText && ']}'.includes(unit)) level--;
  }
  return most;
}

function* bodies(bytes: Uint8Array, maxBytes: number): ReturnType<Read> {
  for (let at = 0; at < bytes.length;) {
    let size = 0;
    for (let i = 0; ; i++) {
      const byte = bytes[at++];
      if (byte === undefined) return yield 1;
      if (i === 4 && byte > 7) return yield new Fault(['Messages bigger than 2GB are not supported.']);
      size += (byte & 127) * 128 ** i;
      if (byte < 128) break;
    }
    if (size > maxBytes) return yield tooLarge(maxBytes);
    if (size === 0) return yield new Fault(['Invalid payload.']);
    if (at + size > bytes.length) return yield at + size - bytes.length;
    try {
      yield messageOf(readMessagePack(bytes.subarray(at, at + size)));
    } catch (error) {
      if (error instanceof Malformed) return yield new Fault(UNREADABLE[error.message] ?? []);
      throw error;
    }
    at += size;
  }
}

/** The errors for bytes that are no value. A damaged value may have several, and the first one counts. */
const UNREADABLE: Record<string, readonly string[]> = {
  incomplete: ['Incomplete message.'],
  rest: ['There are bytes after the message.'],
  key: ['A key is no text and no number.'],
  depth: ['The message has more than 64 levels.'],
  timestamp: ['Invalid timestamp.'],
  token: ['The byte 0xc1 begins no MessagePack value.'],
};

const tooLarge = (maxBytes: number): Fault =>
  new Fault([`The maximum message size of ${maxBytes}B was exceeded. See maxMessageBytes.`], 'message_too_large');

/** Returns the items as the properties that JSON has. */
function messageOf(value: unknown): Message | Fault | undefined {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const [type, first, second, third, fourth, fifth] = items;
  const some = (...entries: readonly (readonly [string, unknown])[]): Message =>
    new Map(entries.filter(([, item]) => item !== undefined && item !== null));
  const id = ['invocationId', second] as const;
  const isShort = (count: number): boolean => items.length < count;
  switch (type) {
    case 1:
    case 4: {
      const streamIds = Array.isArray(fifth) && fifth.length === 0 ? null : fifth;
      return isShort(4) ? payload(type) : checked(some(['type', type], id, ['target', third], ['arguments', fourth], ['streamIds', streamIds]));
    } // prettier-ignore
    case 2:
      return isShort(4) ? payload(type) : checked(new Map([...some(['type', type], id), ['item', third]]));
    case 3: {
      if (isShort(third === 2 ? 4 : 5)) return payload(type);
      if (third !== 1 && third !== 2 && third !== 3) return new Fault(['Invalid invocation result kind.']);
      const outcome = third === 2 ? [] : [[third === 1 ? 'error' : 'result', fourth] as const];
      return checked(new Map([...some(['type', type], id), ...outcome]));
    }
    case 5:
      return isShort(3) ? payload(type) : checked(some(['type', type], id));
    case 7:
      return isShort(2) ?
          payload(type)
        : checked(some(['type', type], ['error', first], ['allowReconnect', second], ['code', third], ['reason', fourth]));
    case 8:
    case 9:
      return checked(some(['type', type], ['sequenceId', first]));
    case 64:
      return checked(some(['type', type], ['invocationId', first], ['credit', second]));
    default:
      return checked(some(['type', type]));
  }
}

const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isNothing = (value: unknown): boolean => value === undefined || value === null;
const CALL = {
  target: isName,
  streamIds: (value: unknown) => isNothing(value) || (Array.isArray(value) && value.every(isName)),
};

/** The required properties of each type (PROTOCOL.md, 4). */
const TYPES: Record<number, readonly [name: string, Record<string, (value: unknown, message: Message) => boolean>]> = {
  1: ['Invocation', { ...CALL, invocationId: (value) => isNothing(value) || typeof value === 'string' }],
  2: ['StreamItem', { invocationId: isName, item: (value) => value !== undefined }],
  3: [
    'Completion',
    {
      invocationId: isName,
      error: (value, message) => isNothing(value) || (typeof value === 'string' && !(value && message.get('result'))),
    },
  ],
  4: ['StreamInvocation', { ...CALL, invocationId: isName }],
  5: ['CancelInvocation', { invocationId: isName }],
  6: ['Ping', {}],
  7: [
    'Close',
    {
      error: (value) => isNothing(value) || typeof value === 'string',
      allowReconnect: (value) => isNothing(value) || typeof value === 'boolean',
      code: (value) => isNothing(value) || typeof value === 'string',
      reason: (value) => isNothing(value) || typeof value === 'string',
    },
  ],
  8: ['Ack', { sequenceId: isCount }],
  9: ['Sequence', { sequenceId: isCount }],
  64: ['Credit', { invocationId: isName, credit: isCount }],
};

function checked(message: Message): Message | Fault | undefined {
  const type = message.get('type');
  if (typeof type !== 'number') return new Fault(['Invalid payload.']);
  if (!Object.hasOwn(TYPES, type)) return undefined;
  const isFaulty = Object.entries(TYPES[type]?.[1] ?? {}).some(([name, isValid]) => !isValid(message.get(name), message));
  return isFaulty ? payload(type) : message;
}

function payload(type: number): Fault {
  const name = TYPES[type]?.[0];
  return new Fault([type === 8 || type === 9 ? `Invalid SequenceId for ${name} message.` : `Invalid payload for ${name} message.`]);
}
