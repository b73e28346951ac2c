import { HUBLINE_VERSION, parseHandshakeRequest, type Codec, type HandshakeResponse } from '@hubline/protocol';
import type { Transport } from '../transports/index.ts';

/** The result of a handshake: the codec and the version of Hubline, or SignalR's text for the refusal. */
export type Handshake = { readonly codec: Codec; readonly hubline: number } | { readonly refusal: string };

/** Chooses the protocol that the client's handshake requests. @throws HublineError `invalid_message` */
export function answerHandshake(record: string, codecs: ReadonlyMap<string, Codec>, transport: Transport): Handshake {
  const { protocol, version, hubline = 0 } = parseHandshakeRequest(record);
  const codec = codecNamed(protocol, codecs);
  if (!codec) return { refusal: `The protocol '${protocol}' is not supported.` };
  if (version > codec.version || version < 1) {
    return { refusal: `The server does not support version ${version} of the '${protocol}' protocol.` };
  }
  if (codec.format === 'binary' && !transport.carriesBytes) {
    const why = "The transport does not support 'Binary' transfer format.";
    return { refusal: `Cannot use the '${protocol}' protocol on the current transport. ${why}` };
  }
  return { codec, hubline };
}

interface NodeSettings {
  readonly nodeId: string;
  readonly limits: { readonly maxMessageBytes: number };
}

/** Returns the answer that accepts a client, by the version of Hubline that it announced. Other clients get what ASP.NET Core sends. */
export function acceptanceOf(hubline: number, connectionId: string, { nodeId, limits }: NodeSettings): HandshakeResponse {
  if (hubline <= 0) return {};
  return { hubline: HUBLINE_VERSION, maxMessageBytes: limits.maxMessageBytes, connectionId, node: nodeId };
}

/** Finds a codec by its name, ignoring case like ASP.NET Core. */
function codecNamed(protocol: string, codecs: ReadonlyMap<string, Codec>): Codec | undefined {
  return codecs.get(protocol) ?? [...codecs.values()].find(({ name }) => name.toLowerCase() === protocol.toLowerCase());
}
