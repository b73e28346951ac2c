import type { NegotiateResponse, TransportName } from '@hubline/protocol';
import type { ClientRequest } from './request.ts';
import type { Transport, TransportListener } from './transport.ts';

/** What stands behind a path. It sees requests and open transports, never a socket. */
export interface Acceptor {
  /** The hub's name, where a hub stands there. */
  readonly hub: string | undefined;
  readonly path: string;
  /** In the server's order of preference. */
  readonly transports: readonly TransportName[];
  /** The lowest negotiate version that is answered. */
  readonly minimumVersion: number;
  /** Answers `POST {path}/negotiate`. @throws HublineError or Refused, which becomes the status that the client expects. */
  negotiate(request: ClientRequest, version: number, left: AbortSignal): Promise<Answer>;
  /**
   * Decides about a request for a connection, each time one comes: without a token it is a new one, which skipped
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
  /** The transport that has come, if one has. */
  readonly transport: TransportName | undefined;
  /** @throws HublineError where it cannot have this transport after all: `shutdown`, `connection_gone` */
  accept(transport: Transport): TransportListener;
  /** Gives back what is kept for a new connection, unless it was accepted. */
  decline(): void;
}
