import type { CloseReason, ConnectionOpening, HeartbeatListener, Identity } from '../connection/index.ts';
import type { AuthenticationRequest, TransportListener } from '../transports/index.ts';

/** Handles the clients of a path: a hub or a connection handler. */
export interface PathHost {
  /** Authenticates the client of a request. @throws HublineError or Refused to refuse the request */
  authenticate(request: AuthenticationRequest): Promise<Identity>;
  /** Makes a connection of a transport. */
  connect(opening: ConnectionOpening): AcceptedConnection;
  /** Settles when user code that runs for ended connections has finished. */
  finished(): Promise<unknown>;
}

/** A connection with an open transport. */
export interface AcceptedConnection extends Required<TransportListener>, HeartbeatListener {
  /** Whether something runs that would be cut off if the connection ended now. */
  readonly isBusy: boolean;
  close(reason: CloseReason): void;
}
