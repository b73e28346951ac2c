import { HublineError, invalidOption, type NegotiateResponse, type OfferedTransport, type TransportName } from '@hubline/protocol';
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

/** The options of a path: its address, its transports and its redirect. */
export interface AcceptOptions {
  /** The URL path: `/hubs/chat`. A slash at its end is ignored. */
  readonly path: string;
  /** In order of preference. Default: WebSockets, server-sent events, long polling. */
  readonly transports?: readonly TransportName[] | undefined;
  /** The lowest negotiate version that is answered: 0 (default) or 1. */
  readonly minimumVersion?: 0 | 1 | undefined;
  /** Sends a client elsewhere when it negotiates: it starts again at `url`, with `accessToken` where there is one. */
  readonly redirect?: ((request: AuthenticationRequest) => Redirect | undefined | Promise<Redirect | undefined>) | undefined;
  /**
   * Whether a later request of a connection comes from the client that negotiated it: `before` is what `authenticate` gave then, `now`
   * what it gave for this request. Default: the same user id and the same attributes. Needed where attributes differ from run to run.
   */
  readonly sameIdentity?: ((before: Identity, now: Identity) => boolean) | undefined;
}

/** The options of a path after their check, with their defaults. */
export interface CheckedAcceptOptions extends AcceptOptions {
  readonly transports: readonly TransportName[];
  readonly minimumVersion: 0 | 1;
}

export interface Redirect {
  readonly url: string;
  readonly accessToken?: string | undefined;
}

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

const OFFERS: Record<TransportName, OfferedTransport> = {
  WebSockets: { transport: 'WebSockets', transferFormats: ['Text', 'Binary'] },
  ServerSentEvents: { transport: 'ServerSentEvents', transferFormats: ['Text'] },
  LongPolling: { transport: 'LongPolling', transferFormats: ['Text', 'Binary'] },
};

/** The transports and the negotiate version of a path, with their defaults. @throws HublineError `invalid_option` */
export function checkedTransports({
  transports = Object.keys(OFFERS) as TransportName[],
  minimumVersion = 0,
}: AcceptOptions): Pick<CheckedAcceptOptions, 'transports' | 'minimumVersion'> {
  const isList = Array.isArray(transports) && transports.length > 0 && new Set(transports).size === transports.length;
  if (!isList || !(transports as readonly string[]).every((name) => Object.hasOwn(OFFERS, name))) {
    throw invalidOption('transports', `must name at least one of ${Object.keys(OFFERS).join(', ')}, and none twice`);
  }
  if (minimumVersion === 0 || minimumVersion === 1) return { transports, minimumVersion };
  throw invalidOption('minimumVersion', 'must be 0 or 1');
}

/** What the option `redirect` gave, without anything that is no part of it. @throws HublineError `invalid_option` */
export function checkedRedirect(given: unknown): Redirect | undefined {
  if (given === undefined || given === null) return undefined;
  const { url, accessToken } = given as { readonly url?: unknown; readonly accessToken?: unknown };
  if (typeof url !== 'string' || url === '') throw invalidOption('redirect', 'must give an object with a url, which is a string');
  if (accessToken === undefined || accessToken === null) return { url };
  if (typeof accessToken !== 'string') throw invalidOption('redirect', 'must give an accessToken that is a string, or none');
  return { url, accessToken };
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
        availableTransports: this.transports.map((name) => OFFERS[name]),
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
