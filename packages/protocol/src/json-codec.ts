import { RECORD_SEPARATOR, type Codec, type Decoder, type DecoderOptions } from './codec.ts';
import { asError, HublineError, isHublineError } from './errors.ts';
import { checkMessage } from './check-message.ts';
import { checkServerMessage } from './check-server-message.ts';
import { isTooDeep, MAX_DEPTH, parseJson } from './json-text.ts';
import { lossOf } from './lossy.ts';
import type { HubMessage } from './messages.ts';
import { given } from './options.ts';

/**
 * {@link jsonCodec} without what a client does not need, and should not ship: it reads what servers send, and names of what cannot be
 * written the last step of the path only.
 */
export const clientJsonCodec: Codec = {
  name: 'json',
  version: 2,
  format: 'text',
  encode: (message) => written(() => JSON.stringify(message, refuseLoss)),
  decoder: (options) => createDecoder((record) => checkServerMessage(parseJson(record)), options),
};

/** SignalR's JSON protocol: one JSON object a message, ended by U+001E. */
export const jsonCodec: Codec = {
  name: 'json',
  version: 2,
  format: 'text',
  encode(message) {
    return written(() => {
      const text = stringify(message);
      // After JSON.stringify: a cycle would have no end here.
      if ('arguments' in message) checkEncodable(message.arguments, 'arguments');
      else if ('item' in message) checkEncodable(message.item, 'item');
      else if ('result' in message) checkEncodable(message.result, 'result');
      return text;
    });
  },
  decoder: (options) =>
    createDecoder((record) => {
      checkBytes(record, options);
      return checkMessage(parseJson(record));
    }, options),
};

/** Adds the separator. Whatever getters and `toJSON` throw is a `not_encodable`. */
function written(write: () => string): string {
  try {
    const text = write();
    if (isTooDeep(text)) throw notEncodable(`value of more than ${MAX_DEPTH} levels`);
    return text + RECORD_SEPARATOR;
  } catch (cause) {
    throw isHublineError(cause) && cause.code === 'not_encodable' ? cause : notEncodable('message', { cause });
  }
}

type Parse = (record: string) => HubMessage | undefined;

function createDecoder(parse: Parse, { maxMessageBytes = Infinity }: DecoderOptions = {}): Decoder {
  /** Made when bytes come: React Native has none, and gets text. */
  let utf8: TextDecoder | undefined;
  /** The start of a message whose end has not arrived. It is only read again when it has: long ones cost linear time. */
  let partial = '';
  return {
    get isPartial() {
      return partial !== '';
    },
    push(chunk, deliver) {
      const text = typeof chunk === 'string' ? chunk : (utf8 ??= new TextDecoder()).decode(chunk, { stream: true });
      const parts = text.split(RECORD_SEPARATOR);
      const ends = parts.length - 1;
      for (let i = 0; i <= ends; i++) {
        partial += parts[i]!;
        // A UTF-16 unit is at least one byte. Counting exactly would read what is here again with every chunk that arrives.
        if (partial.length > maxMessageBytes) throw tooLarge(maxMessageBytes);
        if (i === ends) break;
        const message = parse(partial);
        partial = '';
        if (message) deliver(message);
      }
      return ends;
    },
  };
}

/** A UTF-16 unit is at most three bytes of UTF-8, so most messages need no counting. */
function checkBytes(record: string, { maxMessageBytes = Infinity }: DecoderOptions = {}): void {
  if (record.length * 3 <= maxMessageBytes) return;
  if (new TextEncoder().encode(record).length > maxMessageBytes) throw tooLarge(maxMessageBytes);
}

/** SignalR's text, which its users know to search for. `bytes` is the size of the message, where it is known. */
export function tooLarge(limitBytes: number, bytes?: number): HublineError<'message_too_large'> {
  const text = `The maximum message size of ${limitBytes}B was exceeded. See maxMessageBytes.`;
  return new HublineError('message_too_large', text, given({ limitBytes, bytes }));
}

function stringify(message: HubMessage): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    JSON.stringify(message, refuseLoss); // names a bigint's place
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

/** JSON.stringify turns these into `{}`, null or nothing without a word; a loss that nobody is told of is worse than an error. */
function lossInJson(value: unknown): string | undefined {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : lossOf(value);
}

/** `value` is what toJSON has made of what the holder has. */
function refuseLoss(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const found = lossInJson(this[key]) ?? lossInJson(value) ?? (typeof value === 'bigint' ? 'bigint' : undefined);
  if (found) throw notEncodable(found, { path: key });
  return value;
}

/** The same with the whole path, and several times as fast as a replacer. */
function checkEncodable(value: unknown, name: string): void {
  const loss = lossIn(value);
  if (loss) throw notEncodable(loss.found, { path: name + loss.path });
}

interface Loss {
  readonly path: string;
  readonly found: string;
}

function lossIn(value: unknown): Loss | undefined {
  const found = lossInJson(value);
  if (found) return { path: '', found };
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return lossInItems(value);
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (typeof toJSON !== 'function') return lossInFields(value);
  // JSON.stringify asks once, so what comes of it is taken as it is.
  const json: unknown = toJSON.call(value, '');
  const lost = lossInJson(json);
  if (lost) return { path: '', found: lost };
  if (typeof json !== 'object' || json === null) return undefined;
  return Array.isArray(json) ? lossInItems(json) : lossInFields(json);
}

function lossInItems(items: readonly unknown[]): Loss | undefined {
  for (let i = 0; i < items.length; i++) {
    const loss = lossIn(items[i]);
    if (loss) return { ...loss, path: `[${i}]${loss.path}` };
  }
  return undefined;
}

function lossInFields(object: object): Loss | undefined {
  for (const key in object) {
    const loss = lossIn((object as Record<string, unknown>)[key]);
    if (loss) return { ...loss, path: `.${key}${loss.path}` };
  }
  return undefined;
}
