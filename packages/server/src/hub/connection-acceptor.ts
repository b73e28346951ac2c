import { HublineError, type NegotiateResponse, type OfferedTransport, type TransportName } from '@hubline/protocol';
import {
  newConnectionId,
  newToken,
  Sessions,
  type HeartbeatListener,
  type CloseReason,
  type Identity,
  type Heartbeat,
  type Session,
} from '../connection/index.ts';
import type { Acceptor, Admission, Answer, ClientRequest, NodeAffinity, Transport, TransportListener } from '../transports/index.ts';

/** What a path does with those who come, and how it is reached. */
export interface AcceptOptions {
  /** Where clients find it: `/hubs/chat`. */
  readonly path: string;
  /** In order of preference. Default: WebSockets, server-sent events, long polling. */
  readonly transports?: readonly TransportName[];
  /** The lowest negotiate version that is answered: 0 (default) or 1. */
  readonly minimumVersion?: 0 | 1;
  /** Sends a client elsewhere when it negotiates: it starts again at `url`, with `accessToken` where there is one. */
  readonly redirect?: (request: ClientRequest) => Redirect | undefined | Promise<Redirect | undefined>;
}

export interface Redirect {
  readonly url: string;
  readonly accessToken?: string;
}

/** Somebody who has a transport. */
export interface AcceptedConnection extends TransportListener, HeartbeatListener {
  close(reason: CloseReason): void;
}

export interface ConnectionAcceptorOptions {
  readonly door: AcceptOptions;
  readonly affinity: NodeAffinity;
  readonly process: string;
  readonly heartbeat: Heartbeat;
  readonly connectTimeoutMs: number;
  /** Where everybody is kept from the opening of the transport to its end. */
  readonly accepted: Set<AcceptedConnection>;
  readonly isOpen: () => boolean;
  readonly authenticate: (request: ClientRequest) => Promise<Identity>;
  readonly connect: (session: Session, request: ClientRequest, transport: Transport) => AcceptedConnection;
}

const OFFERS: Record<TransportName, OfferedTransport> = {
  WebSockets: { transport: 'WebSockets', transferFormats: ['Text', 'Binary'] },
  ServerSentEvents: { transport: 'ServerSentEvents', transferFormats: ['Text'] },
  LongPolling: { transport: 'LongPolling', transferFormats: ['Text', 'Binary'] },
};

/** Lets clients in: who they are is asked at negotiation, and again at every request of their connection. */
export class ConnectionAcceptor implements Acceptor {
  readonly path: string;
  readonly transports: readonly TransportName[];
  readonly minimumVersion: number;
  readonly #options: ConnectionAcceptorOptions;
  readonly #sessions: Sessions;

  constructor(options: ConnectionAcceptorOptions) {
    const { path, transports = ['WebSockets', 'ServerSentEvents', 'LongPolling'], minimumVersion = 0 } = options.door;
    this.path = path;
    this.transports = transports;
    this.minimumVersion = minimumVersion;
    this.#options = options;
    this.#sessions = new Sessions(options.heartbeat, options.connectTimeoutMs);
  }

  async negotiate(request: ClientRequest, version: number): Promise<Answer> {
    const { door, affinity } = this.#options;
    const redirect = await door.redirect?.(request);
    if (redirect) return { body: redirect, headers: {} };
    this.#checkOpen();
    const identity = await this.#options.authenticate(request);
    this.#checkOpen(); // who was still being looked at when the node closed would never be asked to leave
    const { connectionId, token } = this.#sessions.add(this.#newSession(identity, version));
    const body: NegotiateResponse = {
      negotiateVersion: version,
      connectionId,
      ...(version > 0 ? { connectionToken: token } : {}),
      availableTransports: this.transports.map((name) => OFFERS[name]),
      affinity: affinity.hint,
    };
    return { body, headers: affinity.headers(request) };
  }

  async admit(request: ClientRequest, token: string | undefined): Promise<Admission> {
    const identity = await this.#options.authenticate(request);
    const session = token === undefined ? undefined : this.#sessions.find(token, identity);
    if (!session?.transport) this.#checkOpen(); // who has a transport may still fetch the goodbye
    if (session) return this.#admission(session, request);
    this.#options.affinity.check(request);
    if (token !== undefined) throw connectionGone();
    // Negotiation was skipped. Until the transport is open there is nothing that anybody could come back for.
    const fresh = this.#newSession(identity, 1);
    return { ...fresh, transport: undefined, accept: (opened) => this.#accept(this.#sessions.add(fresh), request, opened) };
  }

  #admission(session: Session, request: ClientRequest): Admission {
    const { connectionId, token } = session;
    const accept: Admission['accept'] = (opened) => this.#accept(session, request, opened);
    return {
      connectionId,
      token,
      get transport() {
        return session.transport; // as it is when somebody asks: two requests may be on their way
      },
      accept,
    };
  }

  #accept(session: Session, request: ClientRequest, transport: Transport): TransportListener {
    const { heartbeat, connect, accepted } = this.#options;
    this.#checkOpen();
    if (!this.#sessions.connect(session.token, transport.name)) throw connectionGone(); // it was late, and is forgotten
    const connection = connect(session, request, transport);
    heartbeat.add(connection);
    accepted.add(connection);
    return {
      receive: (chunk) => connection.receive(chunk),
      closed: (end) => {
        heartbeat.remove(connection);
        accepted.delete(connection);
        this.#sessions.remove(session.token);
        connection.closed(end);
      },
    };
  }

  #newSession(identity: Identity, version: number): Omit<Session, 'transport'> {
    const connectionId = newConnectionId(this.#options.process);
    // In version 0 the public id is the secret as well (TransportProtocols.md).
    return { connectionId, token: version > 0 ? newToken() : connectionId, identity };
  }

  #checkOpen(): void {
    if (!this.#options.isOpen()) throw new HublineError('shutdown', 'This node takes no more connections.', {});
  }
}

const connectionGone = (): HublineError<'connection_gone'> =>
  new HublineError('connection_gone', 'No Connection with that ID', { connectionId: '' });
