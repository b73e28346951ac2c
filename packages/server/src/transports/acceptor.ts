import type { NegotiateResponse, TransportName } from '@hubline/protocol';
import type { ClientRequest } from './request.ts';
import type { Transport, TransportListener } from './transport.ts';

/** What stands behind a path. It sees requests and open transports, never a socket. */
export interface Acceptor {
  readonly path: string;
  /** In the server's order of preference. */
  readonly transports: readonly TransportName[];
  /** The lowest negotiate version that is answered. */
  readonly minimumVersion: number;
  /** Answers `POST {path}/negotiate`. @throws HublineError, which becomes the status that the client expects. */
  negotiate(request: ClientRequest, version: number): Promise<Answer>;
  /**
   * Decides about a request for a connection, each time one comes: without a token it is a new one, which skipped
   * negotiation. @throws HublineError likewise: `unauthorized`, `forbidden`, `connection_gone`, `wrong_node` …
   */
  admit(request: ClientRequest, token: string | undefined): Promise<Admission>;
}

export interface Answer {
  readonly body: NegotiateResponse;
  readonly headers: Readonly<Record<string, string>>;
}

/** Somebody who may connect, or has. */
export interface Admission {
  readonly connectionId: string;
  readonly token: string;
  /** The transport that has come, if one has. */
  readonly transport: TransportName | undefined;
  /** @throws HublineError where it cannot have this transport after all: `shutdown`, `connection_gone` */
  accept(transport: Transport): TransportListener;
}
