import { checkMessage } from './check-message.ts';
import type { Codec, Decoder, DecoderOptions, Wire } from './codec.ts';
import { asError, HublineError, invalidMessage, isHublineError } from './errors.ts';
import { tooLarge } from './json-codec.ts';
import { MessageType, type Headers, type HubMessage } from './messages.ts';

/** An implementation of MessagePack. */
export interface MessagePack {
  /** The codec copies the bytes before it encodes another value, so an implementation may reuse their memory. */
  encode(value: unknown): Uint8Array;
  /** Decodes exactly one value, which MUST share no memory with the bytes. MUST drop keys named `__proto__`. */
  decode(bytes: Uint8Array): unknown;
}

/** SignalR's MessagePack protocol: each message is an array, preceded by its length in bytes (HubProtocol.md, "MessagePack"). */
export function messagePackCodec(messagePack: MessagePack): Codec {
  return {
    name: 'messagepack',
    version: 2,
    format: 'binary',
    encode: (message) => framed(bodyOf(message, messagePack)),
    decoder: (options) => new MessagePackDecoder(messagePack, options),
  };
}

/** The kind of outcome of a completion. */
const ResultKind = { error: 1, void: 2, value: 3 } as const;

/** Returns the items of a message. `code` and `reason`, at the end of a Close, are additions of Hubline; see `codecForPeer`. */
function itemsOf(message: HubMessage): readonly unknown[] {
  const { type } = message;
  switch (type) {
    case MessageType.Invocation:
    case MessageType.StreamInvocation: {
      const { headers = {}, invocationId = null, target, arguments: args, streamIds = [] } = message;
      return [type, headers, invocationId, target, args, streamIds];
    }
    case MessageType.StreamItem:
      return [type, message.headers ?? {}, message.invocationId, message.item];
    case MessageType.Completion: {
      const { headers = {}, invocationId, result, error } = message;
      if (error !== undefined) return [type, headers, invocationId, ResultKind.error, error];
      return result === undefined ?
          [type, headers, invocationId, ResultKind.void]
        : [type, headers, invocationId, ResultKind.value, result];
    }
    case MessageType.CancelInvocation:
      return [type, message.headers ?? {}, message.invocationId];
    case MessageType.Ping:
      return [type];
    case MessageType.Close: {
      const { error = null, allowReconnect = false, code, reason } = message;
      if (reason !== undefined) return [type, error, allowReconnect, code ?? null, reason];
      return code === undefined ? [type, error, allowReconnect] : [type, error, allowReconnect, code];
    }
    case MessageType.Ack:
    case MessageType.Sequence:
      return [type, message.sequenceId];
    case MessageType.Credit:
      return [type, message.invocationId, message.credit];
  }
}

/** Returns the message with these items, in the shape of a parsed JSON message, so that both protocols share one check. */
function messageOf(items: unknown): HubMessage | undefined {
  if (!Array.isArray(items) || items.length === 0) throw invalidMessage('Invalid payload.');
  const [type, first, second, third, fourth, fifth] = items as readonly unknown[];
  const atLeast = (count: number, name: string): void => {
    if (items.length < count) throw invalidMessage(`Invalid payload for ${name} message.`);
  };
  switch (type) {
    case MessageType.Invocation:
    case MessageType.StreamInvocation:
      atLeast(4, type === MessageType.Invocation ? 'Invocation' : 'StreamInvocation');
      return checkMessage({ type, ...headersOf(first), invocationId: second, target: third, arguments: fourth, ...streamsOf(fifth) });
    case MessageType.StreamItem:
      atLeast(4, 'StreamItem');
      return checkMessage({ type, ...headersOf(first), invocationId: second, item: third });
    case MessageType.Completion:
      atLeast(third === ResultKind.void ? 4 : 5, 'Completion');
      return checkMessage({ type, ...headersOf(first), invocationId: second, ...outcomeOf(third, fourth) });
    case MessageType.CancelInvocation:
      atLeast(3, 'CancelInvocation');
      return checkMessage({ type, ...headersOf(first), invocationId: second });
    case MessageType.Close:
      atLeast(2, 'Close');
      return checkMessage({
        type,
        ...given('error', first),
        ...given('allowReconnect', second),
        ...given('code', third),
        ...given('reason', fourth),
      });
    case MessageType.Ack:
    case MessageType.Sequence:
      return checkMessage({ type, sequenceId: first });
    case MessageType.Credit:
      return checkMessage({ type, invocationId: first, credit: second });
    default:
      return checkMessage({ type });
  }
}

const given = (name: string, value: unknown): object => (value === undefined || value === null ? {} : { [name]: value });
const streamsOf = (ids: unknown): object => (Array.isArray(ids) && ids.length === 0 ? {} : given('streamIds', ids));

function headersOf(headers: unknown): { readonly headers?: Headers } {
  if (headers === null || (typeof headers === 'object' && !Array.isArray(headers) && Object.keys(headers).length === 0)) return {};
  return { headers: headers as Headers }; // checkMessage checks them
}

function outcomeOf(kind: unknown, value: unknown): object {
  if (kind === ResultKind.error) return { error: value };
  if (kind === ResultKind.value) return { result: value };
  if (kind === ResultKind.void) return {};
  throw invalidMessage('Invalid invocation result kind.');
}

function bodyOf(message: HubMessage, messagePack: MessagePack): Uint8Array {
  try {
    return messagePack.encode(itemsOf(message));
  } catch (cause) {
    if (!isHublineError(cause) || cause.code !== 'not_encodable') {
      const text = `The message cannot be written as MessagePack: ${asError(cause).message}`;
      throw new HublineError('not_encodable', text, { path: '', found: 'unknown' }, { cause });
    }
    // The first step of the path is an index in the array of items; the sender knows the item by its name.
    const { found, path } = cause.details;
    const name =
      'arguments' in message ? 'arguments'
      : 'item' in message ? 'item'
      : 'result';
    const named = path.replace(/^\[\d+\]/, name);
    throw new HublineError('not_encodable', `MessagePack has no way to write the ${found}${named && ` at ${named}`}.`, {
      path: named,
      found,
    });
  }
}

/** Returns the body after its length, in groups of 7 bits, lowest first. The highest bit of a byte is set if another follows. */
function framed(body: Uint8Array): Uint8Array {
  let prefixBytes = 1;
  while (body.length >= 2 ** (7 * prefixBytes)) prefixBytes++;
  const wire = new Uint8Array(prefixBytes + body.length);
  for (let i = 0; i < prefixBytes; i++) wire[i] = ((body.length >>> (7 * i)) & 0x7f) | (i < prefixBytes - 1 ? 0x80 : 0);
  wire.set(body, prefixBytes);
  return wire;
}

/** 5 groups hold 35 bits; SignalR allows 31 bits. */
const MAX_PREFIX_BYTES = 5;

class MessagePackDecoder implements Decoder {
  readonly #messagePack: MessagePack;
  readonly #maxBytes: number;
  /** The length of the next message, as far as its prefix is read. */
  #size = 0;
  #prefixBytes = 0;
  #isSized = false;
  /** The start of a message whose end has not arrived. */
  #partial = new Uint8Array();
  #held = 0;

  constructor(messagePack: MessagePack, { maxMessageBytes = Infinity }: DecoderOptions = {}) {
    this.#messagePack = messagePack;
    this.#maxBytes = maxMessageBytes;
  }

  get isPartial(): boolean {
    return this.#isSized || this.#prefixBytes > 0;
  }

  push(chunk: Wire, deliver: (message: HubMessage) => void): number {
    let messages = 0;
    if (chunk.length === 0) return messages; // the rest of a handshake that arrived as text
    if (typeof chunk === 'string') throw invalidMessage('MessagePack came as text.');
    for (let at = 0; at < chunk.length;) {
      if (!this.#isSized) {
        this.#readSize(chunk[at++]!);
        continue;
      }
      const end = Math.min(at + this.#size - this.#held, chunk.length);
      const part = chunk.subarray(at, end);
      at = end;
      if (this.#held + part.length < this.#size) {
        this.#hold(part);
      } else {
        const message = this.#read(this.#held > 0 ? this.#whole(part) : part);
        messages++;
        if (message) deliver(message);
      }
    }
    return messages;
  }

  #readSize(byte: number): void {
    const isLast = ++this.#prefixBytes === MAX_PREFIX_BYTES;
    if (isLast && byte > 7) throw invalidMessage('Messages bigger than 2GB are not supported.');
    this.#size += (byte & 0x7f) * 2 ** (7 * (this.#prefixBytes - 1));
    if (byte >= 0x80) return;
    if (this.#size > this.#maxBytes) throw tooLarge(this.#maxBytes);
    if (this.#size === 0) throw invalidMessage('Invalid payload.');
    this.#isSized = true;
  }

  #read(body: Uint8Array): HubMessage | undefined {
    this.#isSized = false;
    this.#size = this.#prefixBytes = 0;
    let items: unknown;
    try {
      items = this.#messagePack.decode(body);
    } catch (cause) {
      if (isHublineError(cause) && cause.code === 'invalid_message') throw cause;
      throw new HublineError('invalid_message', 'The message is not MessagePack.', { why: asError(cause).message }, { cause });
    }
    return messageOf(items);
  }

  /** Stores a part of a message. The buffer grows with received bytes, not with the announced length. */
  #hold(part: Uint8Array): void {
    const needed = this.#held + part.length;
    if (needed > this.#partial.length) {
      const larger = new Uint8Array(Math.min(this.#size, Math.max(needed, this.#partial.length * 2)));
      larger.set(this.#partial.subarray(0, this.#held));
      this.#partial = larger;
    }
    this.#partial.set(part, this.#held);
    this.#held = needed;
  }

  #whole(last: Uint8Array): Uint8Array {
    this.#hold(last);
    const whole = this.#partial.subarray(0, this.#size);
    this.#partial = new Uint8Array();
    this.#held = 0;
    return whole;
  }
}
