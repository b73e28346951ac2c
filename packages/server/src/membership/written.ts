import type { Codec, Wire } from '@hubline/protocol';
import { Outgoing } from '../connection/index.ts';

/** The protocols that a message is written in, and the length of each copy in bytes, in the order of the body. */
export type Written = readonly (readonly [codec: string, length: number])[];

/** A message in every protocol that the cluster speaks, so that no other node has to write it again. @throws HublineError `not_encodable` */
export function writeCopies(
  outgoing: Outgoing,
  codecs: ReadonlyMap<string, Codec>,
): { readonly written: Written; readonly body: Uint8Array } {
  const copies = [...codecs.values()].map((codec) => [codec.name, bytesOf(outgoing.as(codec))] as const);
  const written = copies.map(([codec, bytes]) => [codec, bytes.length] as const);
  const [only] = copies.length === 1 ? copies : [];
  return { written, body: only ? only[1] : Buffer.concat(copies.map(([, bytes]) => bytes)) };
}

export function readCopies(written: Written, body: Uint8Array, codecs: ReadonlyMap<string, Codec>): Outgoing {
  let at = 0;
  const copies = written.map(([codec, length]): [string, Wire] => {
    const bytes = body.subarray(at, (at += length));
    return [codec, codecs.get(codec)?.format === 'text' ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() : bytes];
  });
  return new Outgoing(undefined, copies);
}

const bytesOf = (wire: Wire | undefined): Uint8Array => (typeof wire === 'string' ? Buffer.from(wire) : (wire ?? new Uint8Array()));
