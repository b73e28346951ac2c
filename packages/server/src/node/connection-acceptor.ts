import { HublineError, type NegotiateResponse, type TransportName } from '@hubline/protocol';
import { otherAttribute, sameIdentity, type Identity, type QuotaReservation } from '../connection/index.ts';
import { OFFERED_TRANSPORTS, type PathHost } from '../hub/index.ts';
import { gone, type Acceptor, type AuthenticationRequest, type ClientRequest, type NegotiateReply } from '../transports/index.ts';
import type { LocalNode } from './local-node.ts';
import type { PathOptions } from './path-options.ts';
import { checkOpen, Session } from './session.ts';

/** Accepts the clients of a path: authenticates them at negotiation, and again at every request of their session. */
export class ConnectionAcceptor implements Acceptor {
  readonly hub: string | undefined;
  readonly path: string;
  readonly transports: readonly TransportName[];
  readonly minimumVersion: number;
  readonly #options: PathOptions;
  readonly #host: PathHost;
  readonly #node: LocalNode;
  #reportedIdentity = false;

  constructor(options: PathOptions, host: PathHost, node: LocalNode) {
    this.hub = options.hub;
    this.path = options.path;
    this.transports = options.transports;
    this.minimumVersion = options.minimumVersion;
    this.#options = options;
    this.#host = host;
    this.#node = node;
  }

  async negotiate(request: ClientRequest, version: number, clientGone: AbortSignal): Promise<NegotiateReply> {
    return this.#reserve(request, async (reservation) => {
      const { redirect, identity } = await this.#decide(request, clientGone);
      if (redirect) {
        reservation.release();
        return { body: redirect, headers: {} };
      }
      const session = this.#newSession(identity, reservation);
      session.register();
      const { connectionId, token } = session;
      const body: NegotiateResponse = {
        negotiateVersion: version,
        // Version 0 has no token: its client sends its id with each request. So its id is the token, and it never learns the public id.
        ...(version > 0 ? { connectionId, connectionToken: token } : { connectionId: token }),
        availableTransports: this.transports.map((name) => OFFERED_TRANSPORTS[name]),
        affinity: this.#node.affinity.hint,
      };
      return { body, headers: this.#node.affinity.headers(request) };
    });
  }

  async admit(request: ClientRequest, token: string | undefined, clientGone: AbortSignal): Promise<Session> {
    if (token !== undefined && this.#find(token)) {
      const identity = await this.#authenticate(request, clientGone);
      const session = this.#find(token); // it may have ended meanwhile
      if (!session?.transport) checkOpen(this.#node); // a connection with a transport may still fetch the Close message
      if (!session) throw gone();
      this.#checkIdentity(session.identity, identity);
      return session;
    }
    return this.#reserve(request, async (reservation) => {
      const identity = await this.#authenticate(request, clientGone);
      this.#node.affinity.check(request);
      if (token !== undefined) throw gone(); // last: the client of another node learns that first
      // The client skipped negotiation. The session is registered when its transport is open: no request can name it before.
      return this.#newSession(identity, reservation);
    });
  }

  /** The session of this path with a token. */
  #find(token: string): Session | undefined {
    const session = this.#node.sessions.get(token);
    return session?.host === this.#host ? session : undefined;
  }

  /** Reserves a connection in the quota, and releases it if `work` fails. */
  async #reserve<T>(request: ClientRequest, work: (reservation: QuotaReservation) => Promise<T>): Promise<T> {
    const reservation = this.#node.quota.reserve(request.remoteAddress);
    try {
      return await work(reservation);
    } catch (error) {
      reservation.release();
      throw error;
    }
  }

  /** Asks the program whether a client is redirected, and otherwise authenticates it. */
  async #decide(request: ClientRequest, clientGone: AbortSignal) {
    return this.#runHook(request, clientGone, async (authenticating) => {
      const redirect = await this.#options.redirect?.(authenticating);
      if (redirect) return { redirect };
      checkOpen(this.#node);
      return { identity: await this.#host.authenticate(authenticating) };
    });
  }

  #authenticate(request: ClientRequest, clientGone: AbortSignal): Promise<Identity> {
    return this.#runHook(request, clientGone, (authenticating) => this.#host.authenticate(authenticating));
  }

  /** Runs a hook of the program for a request, within its time limit and the limit of concurrent runs. */
  #runHook<T>(request: ClientRequest, clientGone: AbortSignal, hook: (request: AuthenticationRequest) => Promise<T>): Promise<T> {
    const { quota, settings } = this.#node;
    const { remoteAddress } = request;
    const timeoutMs = settings.timeouts.authenticateMs;
    return quota.authenticate((signal) => hook({ ...request, signal }), { remoteAddress, clientGone, timeoutMs });
  }

  #newSession(identity: Identity, reservation: QuotaReservation): Session {
    checkOpen(this.#node); // if the node was drained meanwhile, nothing would end this session
    reservation.assignTo(identity.userId);
    return new Session({ node: this.#node, host: this.#host, identity, reservation });
  }

  /** @throws HublineError `forbidden` if the session belongs to another client */
  #checkIdentity(before: Identity, now: Identity): void {
    // `=== true`: the promise of an async function is truthy, and would accept every client.
    if ((this.#options.sameIdentity ?? sameIdentity)(before, now) === true) return;
    const attribute = before.userId === now.userId ? otherAttribute(before, now) : undefined;
    if (attribute !== undefined && !this.#reportedIdentity) {
      this.#reportedIdentity = true;
      const text = `authenticate gave another value of the attribute '${attribute}' than at negotiation, so the request was refused. If it may differ between two runs, set the hub's option sameIdentity.`;
      this.#node.events.report('request', new HublineError('forbidden', text, {}));
    }
    throw new HublineError('forbidden', 'The connection belongs to another user.', {});
  }
}
