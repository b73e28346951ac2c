export type TransportName = 'WebSockets' | 'ServerSentEvents' | 'LongPolling';

/** Server → client, answers `POST {hub}/negotiate?negotiateVersion=1` (TransportProtocols.md in dotnet/aspnetcore). */
export type NegotiateResponse = Negotiated | NegotiateRedirect | NegotiateRefusal;

/** The server offers a connection. The order of the transports is the server's preference. */
export interface Negotiated {
  readonly negotiateVersion: number;
  /** Public. With version 0 it is the secret token instead, and the client does not learn the public id. */
  readonly connectionId: string;
  /** Secret: whoever has it is the connection. Sent as `?id=`. */
  readonly connectionToken?: string;
  readonly availableTransports: readonly OfferedTransport[];
  readonly useStatefulReconnect?: boolean;
  /** Ours: how later requests find this node again. */
  readonly affinity?: Affinity;
}

export interface OfferedTransport {
  readonly transport: TransportName;
  readonly transferFormats: readonly ('Text' | 'Binary')[];
}

/** Where a connection lives, for balancers: the name of the node, of the cookie and of the query parameter. */
export interface Affinity {
  readonly node: string;
  readonly cookie?: string;
  readonly query: string;
}

/** The client starts again at `url`, with `accessToken` instead of its own. */
export interface NegotiateRedirect {
  readonly url: string;
  readonly accessToken?: string | undefined;
}

export interface NegotiateRefusal {
  readonly error: string;
  /** Ours: an {@link ErrorCode}. */
  readonly code?: string;
}
