import { RECORD_SEPARATOR, type Codec, type Decoder } from './codec.ts';
import { asError, HublineError, isHublineError } from './errors.ts';
import { checkMessage, checkServerMessage } from './check-message.ts';
import type { HubMessage } from './messages.ts';

/**
 * {@link jsonCodec} without what a client does not need, and should not ship: it reads what servers send, of any size;
 * writes the same, if not as fast; and names of what cannot be written the last step of the path only.
 */
export const clientJsonCodec: Codec = {
  name: 'json',
  version: 2,
  format: 'text',
  encode: (message) => stringify(message, refuseLoss) + RECORD_SEPARATOR,
  decoder: () => createDecoder((record) => checkServerMessage(parseJson(record))),
};

/** SignalR's JSON protocol: one JSON object a message, ended by U+001E. */
export const jsonCodec: Codec = {
  ...clientJsonCodec,
  encode(message) {
    try {
      const text = stringify(message);
      // After JSON.stringify: a cycle would have no end here.
      if ('arguments' in message) checkEncodable(message.arguments, 'arguments');
      else if ('item' in message) checkEncodable(message.item, 'item');
      else if ('result' in message) checkEncodable(message.result, 'result');
      return text + RECORD_SEPARATOR;
    } catch (error) {
      const { cause } = isHublineError(error) ? error : { cause: error };
      if (!(cause instanceof RangeError && cause.message.startsWith('Maximum call stack'))) throw error;
      const text = 'The value is nested too deeply to be written as JSON.'; // how deep is too deep depends on the stack
      throw new HublineError('not_encodable', text, { path: '', found: 'too many levels' }, { cause });
    }
  },
  decoder({ maxMessageBytes = Infinity } = {}) {
    return createDecoder(
      (record) => {
        checkSize(record, maxMessageBytes);
        return checkMessage(parseJson(record));
      },
      (partial) => {
        // A UTF-16 unit is at least one byte. Counting exactly would read what is here again with every chunk that arrives.
        if (partial.length > maxMessageBytes) throw tooLarge(maxMessageBytes);
      },
    );
  },
};

type Parse = (record: string) => HubMessage | undefined;

function createDecoder(parse: Parse, checkPartial?: (partial: string) => void): Decoder {
  const utf8 = new TextDecoder();
  /** The start of a message whose end has not arrived. It is only read again when it has: long ones cost linear time. */
  let partial = '';
  return {
    push(chunk, deliver) {
      const text = typeof chunk === 'string' ? chunk : utf8.decode(chunk, { stream: true });
      const [end, ...starts] = text.split(RECORD_SEPARATOR);
      partial += end!;
      for (const start of starts) {
        const message = parse(partial);
        partial = start;
        if (message) deliver(message);
      }
      checkPartial?.(partial);
    },
  };
}

function checkSize(record: string, maxBytes: number): void {
  // A UTF-16 unit is at most three bytes of UTF-8, so most messages need no counting.
  if (record.length * 3 <= maxBytes) return;
  if (record.length > maxBytes || new TextEncoder().encode(record).length > maxBytes) throw tooLarge(maxBytes);
}

/** SignalR's text, which its users know to search for. */
export function tooLarge(limitBytes: number): HublineError<'message_too_large'> {
  return new HublineError(
    'message_too_large',
    `The maximum message size of ${limitBytes}B was exceeded. The message size can be configured with maxMessageBytes.`,
    { limitBytes },
  );
}

// An own property named __proto__ becomes a prototype as soon as somebody merges the object into another one.
const SUSPECT = /__proto__|\\u00/;
const withoutProto = (key: string, value: unknown): unknown => (key === '__proto__' ? undefined : value);

export function parseJson(text: string): unknown {
  try {
    return SUSPECT.test(text) ? JSON.parse(text, withoutProto) : JSON.parse(text);
  } catch (cause) {
    throw new HublineError('invalid_message', 'The message is not JSON.', { why: 'not JSON' }, { cause });
  }
}

function stringify(message: HubMessage, replacer?: typeof refuseLoss): string {
  try {
    return JSON.stringify(message, replacer);
  } catch (cause) {
    throw isHublineError(cause) ? cause : (
        new HublineError('not_encodable', asError(cause).message, { path: '', found: 'bigint or cycle' }, { cause })
      );
  }
}

const notEncodable = (path: string, found: string): HublineError<'not_encodable'> =>
  new HublineError('not_encodable', `JSON has no way to write the ${found} at ${path}.`, { path, found });

/** JSON.stringify turns these into `{}` or nothing without a word; a loss that nobody is told of is worse than an error. */
function lossOf(value: unknown): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Map || value instanceof Set)
    return value.constructor.name;
  return undefined;
}

/** `value` is what toJSON has made of what the holder has. */
function refuseLoss(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const found = lossOf(this[key]);
  if (found) throw notEncodable(key, found);
  return value;
}

/** The same with the whole path, and several times as fast as a replacer. */
function checkEncodable(value: unknown, name: string): void {
  const loss = lossIn(value);
  if (loss) throw notEncodable(name + loss.path, loss.found);
}

interface Loss {
  readonly path: string;
  readonly found: string;
}

function lossIn(value: unknown): Loss | undefined {
  const found = lossOf(value);
  if (found) return { path: '', found };
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const loss = lossIn(value[i]);
      if (loss) return { ...loss, path: `[${i}]${loss.path}` };
    }
    return undefined;
  }
  // What has toJSON has said itself what it is, and may hold anything.
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return undefined;
  for (const key in value) {
    const loss = lossIn((value as Record<string, unknown>)[key]);
    if (loss) return { ...loss, path: `.${key}${loss.path}` };
  }
  return undefined;
}
