import { HublineError, isHublineError, type Codec, type HubMessage, type Wire } from '@hubline/protocol';
import { OutgoingMessage } from '../connection/index.ts';

/** The protocol and the length in bytes of each copy of a message, in the order of the body. */
export type EncodingLengths = readonly (readonly [codec: string, length: number])[];

/** The fields of an envelope's header that concern the copies in its body. */
export interface EncodingsHeader {
  readonly written: EncodingLengths;
  readonly replaces?: string | undefined;
}

export type Codecs = ReadonlyMap<string, Codec>;

/**
 * Encodes a message in every protocol of this node that can encode it, so that other nodes need not encode it again.
 * @throws HublineError `not_encodable` if no protocol can
 */
export function encodeCopies(outgoing: OutgoingMessage, codecs: Codecs): { readonly written: EncodingLengths; readonly body: Uint8Array } {
  const copies: (readonly [codec: string, bytes: Uint8Array])[] = [];
  let failure: unknown;
  for (const codec of codecs.values()) {
    try {
      copies.push([codec.name, bytesOf(outgoing.as(codec))]);
    } catch (error) {
      if (!isHublineError(error)) throw error;
      failure ??= error; // nodes with clients of this protocol report the loss
    }
  }
  const [first] = copies;
  if (!first) throw failure;
  const written = copies.map(([codec, bytes]) => [codec, bytes.length] as const);
  return { written, body: copies.length === 1 ? first[1] : Buffer.concat(copies.map(([, bytes]) => bytes)) };
}

/**
 * Decodes the copies of a message. For a protocol without a copy, the message is encoded when a client needs it.
 * @throws HublineError `invalid_message` if the body's length is not the sum of the copies' lengths
 */
export function decodeCopies({ written, replaces }: EncodingsHeader, body: Uint8Array, codecs: Codecs): OutgoingMessage {
  const copies: (readonly [codec: string, wire: Wire])[] = [];
  let at = 0;
  for (const [name, length] of written) {
    const bytes = body.subarray(at, (at += length));
    const codec = codecs.get(name);
    if (codec) copies.push([name, wireOf(bytes, codec)]);
  }
  if (at !== body.length)
    throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: `${body.length} bytes, not ${at}` });
  return new OutgoingMessage(
    () => {
      const [name, wire] = copies[0] ?? [];
      const codec = codecs.get(name ?? '');
      if (codec && wire !== undefined) return readMessage(wire, codec);
      const found = `message in ${written.map(([each]) => each).join(' and ')}`;
      const text = `This node cannot read a ${found}: see the server's option protocols.`;
      throw new HublineError('not_encodable', text, { path: '', found });
    },
    copies,
    replaces,
  );
}

/** Decodes exactly one message. @throws HublineError `invalid_message` */
export function readMessage(wire: Wire, codec: Codec): HubMessage {
  const messages: HubMessage[] = [];
  codec.decoder().push(wire, (message) => messages.push(message));
  const [message] = messages;
  if (message && messages.length === 1) return message;
  throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: `${messages.length} messages` });
}

export const bytesOf = (wire: Wire): Uint8Array => (typeof wire === 'string' ? Buffer.from(wire) : wire);

export const wireOf = (bytes: Uint8Array, codec: Codec): Wire =>
  codec.format === 'text' ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() : bytes;
