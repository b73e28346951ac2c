import type { HubMessage } from './messages.ts';

/** Ends every JSON record and both halves of the handshake (HubProtocol.md, "JSON Hub Protocol Encoding"). */
export const RECORD_SEPARATOR = '\u001e';

/** What a transport carries: text frames are strings, binary frames are bytes. */
export type Wire = string | Uint8Array;

export interface DecoderOptions {
  /** The largest message in bytes; a larger one throws `message_too_large`. Default: no limit. */
  readonly maxMessageBytes?: number;
}

/**
 * Takes the chunks of one connection in order and hands over each whole message. Frames are only pieces of a stream:
 * a message may be split over several, and one may hold many.
 */
export interface Decoder {
  /**
   * The only gate for untrusted input: what passes is checked. Messages before a bad one are handed over first.
   * Messages of unknown type are skipped, and counted: the count is what the chunk cost to read.
   * @throws HublineError `invalid_message` or `message_too_large`; the decoder is then spent.
   */
  push(chunk: Wire, deliver: (message: HubMessage) => void): number;
  /** Whether the start of a message has arrived whose end has not. */
  readonly isPartial: boolean;
}

/** Turns messages into bytes and back. Knows nothing about sockets, calls or hubs. */
export interface Codec {
  /** The name that the handshake agrees on: `json`, `messagepack`. */
  readonly name: string;
  /** The highest version spoken; the handshake may ask for any version up to it. */
  readonly version: number;
  /** `binary` needs a transport that carries bytes. */
  readonly format: 'text' | 'binary';
  /** One message with its framing. @throws HublineError `not_encodable` */
  encode(message: HubMessage): Wire;
  decoder(options?: DecoderOptions): Decoder;
}
