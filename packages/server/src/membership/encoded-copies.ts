import { HublineError, isHublineError, type Codec, type HubMessage, type Wire } from '@hubline/protocol';
import { Outgoing } from '../connection/index.ts';

/** The protocol and the length in bytes of each copy of a message, in the order of the body. */
export type CopyLengths = readonly (readonly [codec: string, length: number])[];

export type Codecs = ReadonlyMap<string, Codec>;

/**
 * Encodes a message in every protocol of this node that can hold it, so that no other node has to encode it again.
 * @throws HublineError `not_encodable` where there is none
 */
export function encodeCopies(outgoing: Outgoing, codecs: Codecs): { readonly written: CopyLengths; readonly body: Uint8Array } {
  const copies: (readonly [codec: string, bytes: Uint8Array])[] = [];
  let failure: unknown;
  for (const codec of codecs.values()) {
    try {
      copies.push([codec.name, bytesOf(outgoing.as(codec))]);
    } catch (error) {
      if (!isHublineError(error)) throw error;
      failure ??= error; // the nodes with clients of this protocol report it
    }
  }
  const [first] = copies;
  if (!first) throw failure;
  const written = copies.map(([codec, bytes]) => [codec, bytes.length] as const);
  return { written, body: copies.length === 1 ? first[1] : Buffer.concat(copies.map(([, bytes]) => bytes)) };
}

/**
 * Decodes the copies of a message. A protocol that clients of this node speak and the sender does not is encoded here.
 * @throws HublineError `invalid_message` where the body is longer or shorter than it is said to be
 */
// eslint-disable-next-line @typescript-eslint/max-params -- the key is optional, and of one caller
export function decodeCopies(written: CopyLengths, body: Uint8Array, codecs: Codecs, replaces?: string): Outgoing {
  const copies: (readonly [codec: string, wire: Wire])[] = [];
  let at = 0;
  for (const [name, length] of written) {
    const bytes = body.subarray(at, (at += length));
    const codec = codecs.get(name);
    if (codec) copies.push([name, wireOf(bytes, codec)]);
  }
  if (at !== body.length)
    throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: `${body.length} bytes, not ${at}` });
  return new Outgoing(
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

/** Exactly one message. @throws HublineError `invalid_message` */
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
