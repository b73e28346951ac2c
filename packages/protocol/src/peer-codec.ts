import type { Codec } from './codec.ts';
import { MessageType, type HubMessage } from './messages.ts';

/**
 * Returns the codec for one peer, by the version of Hubline that its handshake announced (0: none). Other SignalR peers get exactly the
 * fields that ASP.NET Core writes: Microsoft's Java client throws on a Completion with headers, and ignores the error of a Close with an
 * additional item.
 */
export function codecForPeer(codec: Codec, hubline: number): Codec {
  if (hubline > 0) return codec;
  let plainCodec = plainCodecs.get(codec);
  if (!plainCodec) plainCodecs.set(codec, (plainCodec = plainCodecOf(codec)));
  return plainCodec;
}

/** All peers of a codec share one value. */
const plainCodecs = new WeakMap<Codec, Codec>();

const plainCodecOf = (codec: Codec): Codec => ({
  name: codec.name,
  version: codec.version,
  format: codec.format,
  encode: (message) => codec.encode(plain(message)),
  decoder: (options) => codec.decoder(options),
});

/** Returns the message without the fields that Hubline adds. */
function plain(message: HubMessage): HubMessage {
  if (message.type === MessageType.Close) {
    const { type, error, allowReconnect } = message;
    return { type, ...(error ? { error } : {}), ...(allowReconnect ? { allowReconnect } : {}) };
  }
  if (!('headers' in message)) return message;
  const { headers: _headers, ...rest } = message;
  return rest;
}
