export type TransportName = 'WebSockets' | 'ServerSentEvents' | 'LongPolling';

/** Server → client, answers `POST {hub}/negotiate?negotiateVersion=1` (TransportProtocols.md in dotnet/aspnetcore). */
export type NegotiateResponse = Negotiated | NegotiateRedirect | NegotiateRefusal;

/** The server offers a connection. The order of the transports is the server's preference. */
export interface Negotiated {
  readonly negotiateVersion: number;
  /** Public. With version 0 it is the secret token instead, and the client gets no public id. */
  readonly connectionId: string;
  /** Secret: it authenticates the requests of the connection. Sent as `?id=`. */
  readonly connectionToken?: string;
  readonly availableTransports: readonly OfferedTransport[];
  readonly useStatefulReconnect?: boolean;
  /** Addition of Hubline: how load balancers route later requests to this node. */
  readonly affinity?: Affinity;
}

/** A transport that the server offers. */
export interface OfferedTransport {
  readonly transport: TransportName;
  readonly transferFormats: readonly ('Text' | 'Binary')[];
}

/** The node of a connection, for load balancers: its name, and the names of the cookie and the query parameter. */
export interface Affinity {
  readonly node: string;
  readonly cookie?: string;
  readonly query: string;
}

/** The client negotiates again at `url`, with `accessToken` instead of its own. */
export interface NegotiateRedirect {
  readonly url: string;
  readonly accessToken?: string | undefined;
}

/** The server refuses a connection. */
export interface NegotiateRefusal {
  readonly error: string;
  /** Addition of Hubline: an {@link ErrorCode}. */
  readonly code?: string;
}
