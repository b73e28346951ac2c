import { HublineError, type NegotiateResponse } from '@hubline/protocol';
import {
  Connection,
  newConnectionId,
  newToken,
  type Clock,
  type ConnectionSettings,
  type Identity,
  type Pulse,
  type Session,
  type Sessions,
} from '../connection/index.ts';
import type { Acceptor, ClientRequest, Transport, TransportListener } from '../transports/index.ts';
import { queryValue } from '../transports/index.ts';

export interface DoormanOptions {
  readonly path: string;
  readonly nodeId: string;
  readonly process: string;
  readonly authenticate: (request: ClientRequest) => Promise<Identity>;
  readonly sessions: Sessions;
  readonly pulse: Pulse;
  readonly clock: Clock;
  readonly settings: ConnectionSettings;
  readonly isOpen: () => boolean;
}

/** Lets clients in: who they are is asked at negotiation and again at every connect. */
export class Doorman implements Acceptor {
  readonly path: string;
  readonly #options: DoormanOptions;

  constructor(options: DoormanOptions) {
    this.path = options.path;
    this.#options = options;
  }

  async negotiate(request: ClientRequest, version: number): Promise<NegotiateResponse> {
    const { connectionId, token } = await this.#newSession(request, version);
    return {
      negotiateVersion: version,
      connectionId,
      ...(version > 0 ? { connectionToken: token } : {}),
      availableTransports: [{ transport: 'WebSockets', transferFormats: ['Text', 'Binary'] }],
      affinity: { node: this.#options.nodeId, query: 'node' },
    };
  }

  async admit(request: ClientRequest): Promise<(transport: Transport) => TransportListener> {
    const token = queryValue(request.url, 'id');
    // Without an id the client skipped negotiation.
    const session =
      token === undefined ? await this.#newSession(request, 1) : this.#options.sessions.find(token, await this.#identify(request));
    return (transport) => this.#accept(session, request, transport);
  }

  #accept({ connectionId, token, identity }: Session, request: ClientRequest, transport: Transport): TransportListener {
    const { sessions, settings, pulse, clock } = this.#options;
    if (!sessions.connect(token)) {
      transport.destroy(); // another request with the same id was faster
      return { receive: () => undefined, closed: () => undefined };
    }
    const connection = new Connection({ connectionId, identity, request, transport, settings, since: clock.now() });
    pulse.add(connection);
    return {
      receive: (chunk) => connection.receive(chunk),
      closed: (end) => {
        pulse.remove(connection);
        sessions.remove(token);
        connection.closed(end);
      },
    };
  }

  async #newSession(request: ClientRequest, version: number): Promise<Session> {
    const identity = await this.#identify(request);
    const connectionId = newConnectionId(this.#options.process);
    // In version 0 the public id is the secret as well (TransportProtocols.md).
    const session = { connectionId, token: version > 0 ? newToken() : connectionId, identity };
    this.#options.sessions.add(session);
    return session;
  }

  async #identify(request: ClientRequest): Promise<Identity> {
    if (!this.#options.isOpen()) throw new HublineError('shutdown', 'This node takes no more connections.', {});
    return this.#options.authenticate(request);
  }
}
