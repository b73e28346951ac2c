import { HublineError, type Wire } from '@hubline/protocol';
import type { NodeInfo } from '../backplane/index.ts';
import {
  newConnectionId,
  newToken,
  type Heartbeat,
  type HeartbeatListener,
  type Identity,
  type QuotaReservation,
} from '../connection/index.ts';
import type { AcceptedConnection, PathHost } from '../hub/index.ts';
import {
  gone,
  openingRequest,
  type Attachment,
  type ClientSession,
  type Transport,
  type TransportEnd,
  type TransportListener,
  type TransportOrigin,
} from '../transports/index.ts';

/** The node as its sessions use it. */
export interface SessionNode {
  readonly info: Pick<NodeInfo, 'process'>;
  /** All sessions of the node, by their secret tokens. */
  readonly sessions: Map<string, Session>;
  readonly heartbeat: Heartbeat;
  readonly settings: { readonly timeouts: { readonly connectMs: number } };
  readonly isOpen: boolean;
}

export interface SessionOptions {
  readonly node: SessionNode;
  readonly host: PathHost;
  readonly identity: Identity;
  readonly reservation: QuotaReservation;
}

/**
 * One client's session, from negotiation to the end of its transport. Holds the transport, and passes its events to the connection. A
 * session that gets no transport within `connectMs` expires.
 */
export class Session implements ClientSession, TransportListener, HeartbeatListener {
  readonly connectionId: string;
  /** Secret: a client that knows the token can send requests of this session. */
  readonly token = newToken();
  readonly host: PathHost;
  readonly identity: Identity;
  readonly #node: SessionNode;
  readonly #reservation: QuotaReservation;
  #transport: Transport | undefined;
  #attachment: Attachment | undefined;
  #connection: AcceptedConnection | undefined;
  #isEnded = false;
  #waitedMs = 0;

  constructor({ node, host, identity, reservation }: SessionOptions) {
    this.connectionId = newConnectionId(node.info.process);
    this.host = host;
    this.identity = identity;
    this.#node = node;
    this.#reservation = reservation;
  }

  /** Undefined before it is open, and after the session has ended. */
  get transport(): Transport | undefined {
    return this.#transport;
  }

  get connection(): AcceptedConnection | undefined {
    return this.#connection;
  }

  /** The HTTP server that the transport came through. */
  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  /** Makes the session known to the client's next requests. */
  register(): void {
    this.#node.sessions.set(this.token, this);
    this.#node.heartbeat.add(this);
  }

  accept(transport: Transport, { request, attachment }: TransportOrigin): TransportListener {
    checkOpen(this.#node);
    if (this.#isEnded || this.#connection) throw gone();
    const { connectionId, identity } = this;
    this.#connection = this.host.connect({ connectionId, identity, request: openingRequest(request), transport });
    this.#transport = transport;
    this.#attachment = attachment;
    this.register();
    return this;
  }

  decline(): void {
    if (!this.#node.sessions.has(this.token)) this.#end();
  }

  receive(chunk: Wire, isEnd: boolean): void {
    this.#connection?.receive(chunk, isEnd);
  }

  controlled(frames: number): void {
    this.#connection?.controlled(frames);
  }

  closed(end: TransportEnd): void {
    this.#end();
    this.#connection?.closed(end);
  }

  heartbeat(ms: number): void {
    if (this.#connection) return this.#connection.heartbeat(ms);
    this.#waitedMs += ms;
    if (this.#waitedMs >= this.#node.settings.timeouts.connectMs) this.#end();
  }

  #end(): void {
    this.#isEnded = true;
    this.#transport = undefined;
    this.#node.sessions.delete(this.token);
    this.#node.heartbeat.remove(this);
    this.#reservation.release();
  }
}

/** @throws HublineError `shutdown` */
export function checkOpen({ isOpen }: Pick<SessionNode, 'isOpen'>): void {
  if (!isOpen) throw new HublineError('shutdown', 'This node takes no more connections.', {});
}
