import type { HubMessage } from './messages.ts';

/** Ends every JSON record and both halves of the handshake (HubProtocol.md, "JSON Hub Protocol Encoding"). */
export const RECORD_SEPARATOR = '\u001e';

/** Encoded data of a transport: text frames are strings, binary frames are bytes. */
export type Wire = string | Uint8Array;

export interface DecoderOptions {
  /** The largest message in bytes. A larger one throws `message_too_large`. Default: no limit. */
  readonly maxMessageBytes?: number;
}

/**
 * Decodes the chunks of one connection, in order, and delivers each whole message. Chunks do not follow messages: a message may be split
 * over several chunks, and a chunk may hold several messages.
 */
export interface Decoder {
  /**
   * Decodes a chunk, delivers its messages, and returns their number, skipped messages of unknown types included. This is the only gate
   * for untrusted input: delivered messages are checked. Messages before an invalid one are delivered.
   * @throws HublineError `invalid_message` or `message_too_large`; the decoder must not be used again
   */
  push(chunk: Wire, deliver: (message: HubMessage) => void): number;
  /** Whether a message has arrived in part. */
  readonly isPartial: boolean;
}

/** Encodes and decodes messages. Knows nothing about sockets, calls or hubs. */
export interface Codec {
  /** The name of the protocol in the handshake: `json`, `messagepack`. */
  readonly name: string;
  /** The highest supported version. The handshake may ask for any version up to it. */
  readonly version: number;
  /** `binary` needs a transport that carries bytes. */
  readonly format: 'text' | 'binary';
  /** Returns one message with its framing. @throws HublineError `not_encodable` */
  encode(message: HubMessage): Wire;
  /** Creates the decoder of one connection. */
  decoder(options?: DecoderOptions): Decoder;
}
