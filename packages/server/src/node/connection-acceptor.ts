import { HublineError, type NegotiateResponse, type TransportName } from '@hubline/protocol';
import {
  newConnectionId,
  newToken,
  otherAttribute,
  sameIdentity,
  Sessions,
  type ConnectionQuota,
  type HeartbeatListener,
  type CloseReason,
  type Identity,
  type Heartbeat,
  type Place,
  type Session,
} from '../connection/index.ts';
import { OFFERED_TRANSPORTS, type CheckedAcceptOptions } from '../hub/index.ts';
import {
  gone,
  openingRequest,
  type Acceptor,
  type Admission,
  type Answer,
  type Attachment,
  type AuthenticationRequest,
  type ClientRequest,
  type NodeAffinity,
  type OpeningRequest,
  type Transport,
  type TransportListener,
} from '../transports/index.ts';

/** A connection with an open transport. */
export interface AcceptedConnection extends TransportListener, HeartbeatListener {
  /** Whether something runs that would be cut off if the connection ended now. */
  readonly isBusy: boolean;
  close(reason: CloseReason): void;
}

export interface ConnectionAcceptorOptions {
  /** The hub's name, where there is a hub. */
  readonly hub: string | undefined;
  readonly door: CheckedAcceptOptions;
  readonly affinity: NodeAffinity;
  readonly process: string;
  readonly heartbeat: Heartbeat;
  readonly quota: ConnectionQuota;
  readonly connectTimeoutMs: number;
  readonly authenticateTimeoutMs: number;
  /** The connections with an open transport, and the HTTP server that each came through. */
  readonly accepted: Map<AcceptedConnection, Attachment>;
  readonly isOpen: () => boolean;
  readonly authenticate: (request: AuthenticationRequest) => Promise<Identity>;
  readonly connect: (session: Session, request: OpeningRequest, transport: Transport) => AcceptedConnection;
  readonly report: (error: unknown) => void;
}

/** Accepts clients: authenticates them at negotiation, and again at every request of their connection. */
export class ConnectionAcceptor implements Acceptor {
  readonly hub: string | undefined;
  readonly path: string;
  readonly transports: readonly TransportName[];
  readonly minimumVersion: number;
  readonly #options: ConnectionAcceptorOptions;
  readonly #sessions: Sessions;
  #reportedIdentity = false;

  constructor(options: ConnectionAcceptorOptions) {
    const { path, transports, minimumVersion } = options.door;
    this.hub = options.hub;
    this.path = path;
    this.transports = transports;
    this.minimumVersion = minimumVersion;
    this.#options = options;
    this.#sessions = new Sessions(options.heartbeat, options.connectTimeoutMs);
  }

  async negotiate(request: ClientRequest, version: number, left: AbortSignal): Promise<Answer> {
    const { door, affinity } = this.#options;
    return this.#entering(request, async (place) => {
      const asked = await this.#ask(request, left, async (signed) => {
        const redirect = await door.redirect?.(signed);
        if (redirect) return { redirect };
        this.#checkOpen();
        return { identity: await this.#options.authenticate(signed) };
      });
      if (asked.redirect) {
        place.leave();
        return { body: asked.redirect, headers: {} };
      }
      const { connectionId, token } = this.#sessions.add(this.#newSession(asked.identity, place));
      const body: NegotiateResponse = {
        negotiateVersion: version,
        // A client of version 0 sends the id that it got with every request, so it gets the secret and never learns the public id.
        ...(version > 0 ? { connectionId, connectionToken: token } : { connectionId: token }),
        availableTransports: this.transports.map((name) => OFFERED_TRANSPORTS[name]),
        affinity: affinity.hint,
      };
      return { body, headers: affinity.headers(request) };
    });
  }

  async admit(request: ClientRequest, token: string | undefined, left: AbortSignal): Promise<Admission> {
    if (token !== undefined && this.#sessions.find(token)) {
      const identity = await this.#ask(request, left, this.#options.authenticate);
      const session = this.#sessions.find(token); // it may have ended meanwhile
      if (!session?.transport) this.#checkOpen(); // a connection with a transport may still fetch the Close message
      if (!session) throw gone();
      this.#checkIdentity(session.identity, identity);
      return this.#admission(session, request);
    }
    return this.#entering(request, async (place) => {
      const identity = await this.#ask(request, left, this.#options.authenticate);
      this.#options.affinity.check(request);
      if (token !== undefined) throw gone();
      // Negotiation was skipped. Until the transport is open there is no session that a later request could name.
      return this.#newAdmission(this.#newSession(identity, place), request);
    });
  }

  /** Takes a place in the quota, which is given back where letting the client in fails. */
  async #entering<T>(request: ClientRequest, letIn: (place: Place) => Promise<T>): Promise<T> {
    const place = this.#options.quota.enter(request.remoteAddress);
    try {
      return await letIn(place);
    } catch (error) {
      place.leave();
      throw error;
    }
  }

  /** Runs the program's `authenticate` or `redirect` for a request, within its time limit and the limit of concurrent runs. */
  async #ask<T>(request: ClientRequest, left: AbortSignal, run: (request: AuthenticationRequest) => Promise<T>): Promise<T> {
    const { quota, authenticateTimeoutMs: timeoutMs } = this.#options;
    return quota.authenticate((signal) => run({ ...request, signal }), { remoteAddress: request.remoteAddress, left, timeoutMs });
  }

  #newSession(identity: Identity, place: Place): Omit<Session, 'transport'> {
    this.#checkOpen(); // a client that was still being authenticated when the node closed would never be asked to leave
    place.takenBy(identity.userId);
    return { connectionId: newConnectionId(this.#options.process), token: newToken(), identity, place };
  }

  #newAdmission(fresh: Omit<Session, 'transport'>, request: ClientRequest): Admission {
    let session: Session | undefined;
    return {
      ...fresh,
      transport: undefined,
      accept: (opened, attachment) => this.#accept((session = this.#sessions.add(fresh)), request, [opened, attachment]),
      decline: () => {
        if (!session) fresh.place.leave();
      },
    };
  }

  #admission(session: Session, request: ClientRequest): Admission {
    const { connectionId, token } = session;
    const accept: Admission['accept'] = (opened, attachment) => this.#accept(session, request, [opened, attachment]);
    return {
      connectionId,
      token,
      get transport() {
        return session.transport; // read at the time of the call: two requests may be on their way
      },
      accept,
      decline: () => undefined, // the client may try again until `connectMs` is over
    };
  }

  #accept(session: Session, request: ClientRequest, [transport, attachment]: readonly [Transport, Attachment]): TransportListener {
    const { heartbeat, connect, accepted } = this.#options;
    this.#checkOpen();
    if (!this.#sessions.connect(session.token, transport.name)) throw gone(); // another transport was first, or the session has expired
    const connection = connect(session, openingRequest(request), transport);
    heartbeat.add(connection);
    accepted.set(connection, attachment);
    return {
      receive: (chunk, isEnd) => connection.receive(chunk, isEnd),
      controlled: (frames) => connection.controlled?.(frames),
      closed: (end) => {
        heartbeat.remove(connection);
        accepted.delete(connection);
        this.#sessions.remove(session.token);
        connection.closed(end);
      },
    };
  }

  /** @throws HublineError `forbidden` where the connection belongs to another client */
  #checkIdentity(before: Identity, now: Identity): void {
    // `=== true`: the promise of an async function would let everybody pass.
    if ((this.#options.door.sameIdentity ?? sameIdentity)(before, now) === true) return;
    const attribute = before.userId === now.userId ? otherAttribute(before, now) : undefined;
    if (attribute !== undefined && !this.#reportedIdentity) {
      this.#reportedIdentity = true;
      const text = `authenticate gave another value of the attribute '${attribute}' than at negotiation, so the request was refused. Where it may differ from run to run, say so with the hub's option sameIdentity.`;
      this.#options.report(new HublineError('forbidden', text, {}));
    }
    throw new HublineError('forbidden', 'The connection belongs to another user.', {});
  }

  #checkOpen(): void {
    if (!this.#options.isOpen()) throw new HublineError('shutdown', 'This node takes no more connections.', {});
  }
}
