import { RECORD_SEPARATOR, type Codec, type Decoder, type DecoderOptions, type Wire } from './codec.ts';
import { asError, HublineError, isHublineError } from './errors.ts';
import { checkMessage } from './check-message.ts';
import { checkServerMessage } from './check-server-message.ts';
import { isTooDeep, MAX_DEPTH, parseJson } from './json-text.ts';
import type { HubMessage } from './messages.ts';
import { given } from './options.ts';
import { unencodableKind } from './unencodable.ts';

/**
 * A smaller {@link jsonCodec} for clients: its decoder reads messages of servers only, and its errors name only the last step of the path
 * to a value that cannot be written.
 */
export const clientJsonCodec: Codec = {
  name: 'json',
  version: 2,
  format: 'text',
  encode: (message) => toRecord(() => JSON.stringify(message, refuseUnencodable)),
  decoder: (options) => createDecoder((record) => checkServerMessage(parseJson(record)), options),
};

/** SignalR's JSON protocol: one JSON object per message, ended by U+001E. */
export const jsonCodec: Codec = {
  name: 'json',
  version: 2,
  format: 'text',
  encode(message) {
    return toRecord(() => {
      const text = stringify(message);
      // After JSON.stringify, which rejects cycles: the checks would not end in one.
      if ('arguments' in message) checkEncodable(message.arguments, 'arguments');
      else if ('item' in message) checkEncodable(message.item, 'item');
      else if ('result' in message) checkEncodable(message.result, 'result');
      return text;
    });
  },
  decoder: (options) => createDecoder(parseChecked, options),
};

/** Checks the size of a message. A UTF-16 unit is at most three bytes of UTF-8, so most messages need no exact count. */
function parseChecked(record: string, maxMessageBytes: number): HubMessage | undefined {
  if (record.length * 3 > maxMessageBytes && new TextEncoder().encode(record).length > maxMessageBytes) throw tooLarge(maxMessageBytes);
  return checkMessage(parseJson(record));
}

/** Returns the text of `write` with the separator. @throws HublineError `not_encodable`, also for any error of getters and `toJSON` */
function toRecord(write: () => string): string {
  try {
    const text = write();
    if (isTooDeep(text)) throw notEncodable(`value of more than ${MAX_DEPTH} levels`);
    return text + RECORD_SEPARATOR;
  } catch (cause) {
    throw isHublineError(cause) && cause.code === 'not_encodable' ? cause : notEncodable('message', { cause });
  }
}

type Parse = (record: string, maxMessageBytes: number) => HubMessage | undefined;

function createDecoder(parse: Parse, { maxMessageBytes = Infinity }: DecoderOptions = {}): Decoder {
  /** Created when bytes arrive: React Native, which has no TextDecoder, receives text only. */
  let utf8: TextDecoder | undefined;
  /** The start of a message whose end has not arrived. It is parsed once the end has, so a long message costs linear time. */
  let partial = '';
  const decoder = {
    // No getter: it would cost every idle connection of a server 250 bytes.
    isPartial: false,
    push(chunk: Wire, deliver: (message: HubMessage) => void): number {
      const text = typeof chunk === 'string' ? chunk : (utf8 ??= new TextDecoder()).decode(chunk, { stream: true });
      let messages = 0;
      // `split` would cost 250 ns more for each message.
      for (let at = 0, end: number; ; at = end + 1) {
        end = text.indexOf(RECORD_SEPARATOR, at);
        partial += text.slice(at, end < 0 ? undefined : end);
        // A UTF-16 unit is at least one byte. An exact count would read the whole partial message again for every chunk.
        if (partial.length > maxMessageBytes) throw tooLarge(maxMessageBytes);
        if (end < 0) {
          decoder.isPartial = partial !== '';
          return messages;
        }
        const message = parse(partial, maxMessageBytes);
        partial = '';
        messages++;
        if (message) deliver(message);
      }
    },
  };
  return decoder;
}

/** Creates the error of a message beyond the limit, with SignalR's text. `bytes` is the size of the message, if known. */
export function tooLarge(limitBytes: number, bytes?: number): HublineError<'message_too_large'> {
  const text = `The maximum message size of ${limitBytes}B was exceeded. See maxMessageBytes.`;
  return new HublineError('message_too_large', text, given({ limitBytes, bytes }));
}

function stringify(message: HubMessage): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    JSON.stringify(message, refuseUnencodable); // its error names the path of a bigint
    throw error;
  }
}

function notEncodable(found: string, { path = '', cause }: { path?: string; cause?: unknown } = {}): HublineError<'not_encodable'> {
  const why = cause ? `: ${asError(cause).message}` : '.';
  return new HublineError(
    'not_encodable',
    `JSON has no way to write the ${found}${path && ` at ${path}`}${why}`,
    { path, found },
    { cause },
  );
}

/** Returns the kind of a value that JSON.stringify would turn into `{}`, null or nothing without an error. */
function unencodableInJson(value: unknown): string | undefined {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : unencodableKind(value);
}

/** A replacer that throws for values that JSON cannot write. `value` is the result of toJSON; `this[key]` is the original. */
function refuseUnencodable(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const found = unencodableInJson(this[key]) ?? unencodableInJson(value) ?? (typeof value === 'bigint' ? 'bigint' : undefined);
  if (found) throw notEncodable(found, { path: key });
  return value;
}

/** Throws for values that JSON cannot write, with their whole path. Several times as fast as a replacer. */
function checkEncodable(value: unknown, name: string): void {
  const unencodable = unencodableIn(value);
  if (unencodable) throw notEncodable(unencodable.found, { path: name + unencodable.path });
}

/** The first value in a tree that JSON cannot write. */
interface Unencodable {
  readonly path: string;
  readonly found: string;
}

function unencodableIn(value: unknown): Unencodable | undefined {
  const found = unencodableInJson(value);
  if (found) return { path: '', found };
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return unencodableInItems(value);
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (typeof toJSON !== 'function') return unencodableInFields(value);
  // JSON.stringify calls `toJSON` once, so that of the result is ignored.
  const json: unknown = toJSON.call(value, '');
  const foundInJson = unencodableInJson(json);
  if (foundInJson) return { path: '', found: foundInJson };
  if (typeof json !== 'object' || json === null) return undefined;
  return Array.isArray(json) ? unencodableInItems(json) : unencodableInFields(json);
}

function unencodableInItems(items: readonly unknown[]): Unencodable | undefined {
  for (let i = 0; i < items.length; i++) {
    const inner = unencodableIn(items[i]);
    if (inner) return { ...inner, path: `[${i}]${inner.path}` };
  }
  return undefined;
}

function unencodableInFields(object: object): Unencodable | undefined {
  for (const key in object) {
    const inner = unencodableIn((object as Record<string, unknown>)[key]);
    if (inner) return { ...inner, path: `.${key}${inner.path}` };
  }
  return undefined;
}
