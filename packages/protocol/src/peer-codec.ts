import type { Codec } from './codec.ts';
import { MessageType, type HubMessage } from './messages.ts';

/**
 * The codec for one peer, by the version of Hubline that its handshake announced (0: none). A plain SignalR peer gets exactly the
 * fields that ASP.NET Core writes: Microsoft's Java client throws on a Completion with headers, and loses the error of a Close with
 * an item too many. This is the one place that decides it.
 */
export function codecForPeer(codec: Codec, hubline: number): Codec {
  if (hubline > 0) return codec;
  return {
    name: codec.name,
    version: codec.version,
    format: codec.format,
    encode: (message) => codec.encode(plain(message)),
    decoder: (options) => codec.decoder(options),
  };
}

/** The message without the fields that Hubline adds. */
function plain(message: HubMessage): HubMessage {
  if (message.type === MessageType.Close) {
    const { type, error, allowReconnect } = message;
    return { type, ...(error ? { error } : {}), ...(allowReconnect ? { allowReconnect } : {}) };
  }
  if (!('headers' in message)) return message;
  const { headers: _headers, ...rest } = message;
  return rest;
}
