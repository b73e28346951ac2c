import type { NegotiateResponse, TransportName } from '@hubline/protocol';
import type { Attachment } from './attachment.ts';
import type { ClientRequest } from './request.ts';
import type { Transport, TransportListener } from './transport.ts';

/** Accepts the requests and transports of a path. It never sees a socket. */
export interface Acceptor {
  /** The hub's name; undefined for a connection handler. */
  readonly hub: string | undefined;
  readonly path: string;
  /** In the server's order of preference. */
  readonly transports: readonly TransportName[];
  /** The lowest negotiate version that is answered. */
  readonly minimumVersion: number;
  /** Answers `POST {path}/negotiate`. @throws HublineError or Refused, which becomes the status that the client expects. */
  negotiate(request: ClientRequest, version: number, clientGone: AbortSignal): Promise<NegotiateReply>;
  /**
   * Finds the session of a request, or creates one for a request without a token, whose client skipped negotiation.
   * @throws HublineError or Refused likewise: `unauthorized`, `forbidden`, `connection_gone`, `wrong_node` …
   */
  admit(request: ClientRequest, token: string | undefined, clientGone: AbortSignal): Promise<ClientSession>;
}

export interface NegotiateReply {
  readonly body: NegotiateResponse;
  readonly headers: Readonly<Record<string, string>>;
}

/** A client's session, as its path uses it. */
export interface ClientSession {
  readonly connectionId: string;
  /** The open transport, which takes the further requests of the client. */
  readonly transport: Transport | undefined;
  /** Connects the session with a transport. @throws HublineError `shutdown`; `connection_gone` if it has expired or has a transport */
  accept(transport: Transport, origin: TransportOrigin): TransportListener;
  /** Ends a session that was created for this request, unless it is connected. */
  decline(): void;
}

/** The request that opened a transport, and the HTTP server that received it; undefined for a client of the same process. */
export interface TransportOrigin {
  readonly request: ClientRequest;
  readonly attachment: Attachment | undefined;
}
