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
  negotiate(request: ClientRequest, version: number, left: AbortSignal): Promise<Answer>;
  /**
   * Admits or refuses each request of a connection: without a token it is a new connection, which skipped
   * negotiation. @throws HublineError or Refused likewise: `unauthorized`, `forbidden`, `connection_gone`, `wrong_node` …
   */
  admit(request: ClientRequest, token: string | undefined, left: AbortSignal): Promise<Admission>;
}

export interface Answer {
  readonly body: NegotiateResponse;
  readonly headers: Readonly<Record<string, string>>;
}

/** A request that may connect, or belongs to a connection. */
export interface Admission {
  readonly connectionId: string;
  readonly token: string;
  /** The connection's transport, if it has one already. */
  readonly transport: TransportName | undefined;
  /** Accepts a transport that came through an HTTP server. @throws HublineError where that is not possible any more: `shutdown`, `connection_gone` */
  accept(transport: Transport, attachment: Attachment): TransportListener;
  /** Releases the session of a new connection, unless it was accepted. */
  decline(): void;
}
