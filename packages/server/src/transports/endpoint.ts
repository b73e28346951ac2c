import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NegotiateResponse } from '@hubline/protocol';
import { allowsOrigin, corsHeaders, type Origins } from './origins.ts';
import { FAILED, refusalFor, refuse, refuseUpgrade, type Refusal } from './refusal.ts';
import { clientRequest, queryValue, type ClientRequest } from './request.ts';
import type { Transport, TransportListener } from './transport.ts';
import type { Upgrade, WebSocketUpgrader } from './websocket.ts';

/** What stands behind a path. It sees requests and open transports, never a socket. */
export interface Acceptor {
  readonly path: string;
  /** Answers `POST {path}/negotiate`. @throws HublineError, which becomes the status that the client expects. */
  negotiate(request: ClientRequest, version: number): Promise<NegotiateResponse>;
  /** Decides about `?id=`, before a transport is opened for it. @throws HublineError likewise. */
  admit(request: ClientRequest): Promise<(transport: Transport) => TransportListener>;
}

export interface EndpointOptions {
  readonly acceptor: Acceptor;
  readonly upgrader: WebSocketUpgrader;
  readonly origins?: Origins | undefined;
  readonly report: (error: unknown) => void;
}

/** One path over HTTP: negotiation, WebSocket upgrades, and the answers to everything else (TransportProtocols.md). */
export class Endpoint {
  readonly #acceptor: Acceptor;
  readonly #upgrader: WebSocketUpgrader;
  readonly #origins: Origins | undefined;
  readonly #report: (error: unknown) => void;

  constructor({ acceptor, upgrader, origins, report }: EndpointOptions) {
    this.#acceptor = acceptor;
    this.#upgrader = upgrader;
    this.#origins = origins;
    this.#report = report;
  }

  async request(incoming: IncomingMessage, response: ServerResponse, isNegotiate: boolean): Promise<void> {
    incoming.resume(); // no body says anything here, and an unread one would hold the connection
    let cors: Record<string, string> = {};
    try {
      const request = clientRequest(incoming);
      if (!allowsOrigin(this.#origins, request)) return refuse(response, FORBIDDEN_ORIGIN);
      cors = corsHeaders(request);
      if (incoming.method === 'OPTIONS') {
        response.writeHead(204, cors).end();
      } else if (isNegotiate && incoming.method === 'POST') {
        const body = JSON.stringify(await this.#negotiate(request));
        response.writeHead(200, { ...cors, 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body);
      } else {
        refuse(response, isNegotiate ? NOT_ALLOWED : refusalOfTransport(incoming.method, request), cors);
      }
    } catch (error) {
      refuse(response, this.#refusal(error), cors);
    }
  }

  async upgrade(upgrade: Upgrade): Promise<void> {
    const { request: incoming, socket } = upgrade;
    socket.on('error', swallowReset); // until ws listens, a reset by the peer would end the process
    try {
      const request = clientRequest(incoming);
      if (!allowsOrigin(this.#origins, request)) return refuseUpgrade(socket, FORBIDDEN_ORIGIN);
      const accept = await this.#acceptor.admit(request);
      socket.off('error', swallowReset);
      if (!socket.destroyed) this.#upgrader.upgrade(upgrade, accept);
    } catch (error) {
      refuseUpgrade(socket, this.#refusal(error));
    }
  }

  async #negotiate(request: ClientRequest): Promise<NegotiateResponse> {
    const asked = queryValue(request.url, 'negotiateVersion') ?? '0';
    if (!/^-?\d+$/.test(asked)) return { error: 'The client requested a non-integer protocol version.' };
    const version = Number(asked);
    if (version < 0) return { error: `The client requested version '${version}', but the server does not support this version.` };
    return this.#acceptor.negotiate(request, Math.min(version, 1));
  }

  #refusal(error: unknown): Refusal {
    const refusal = refusalFor(error);
    if (!refusal) this.#report(error);
    return refusal ?? FAILED;
  }
}

const FORBIDDEN_ORIGIN: Refusal = { status: 403, text: 'This page may not connect: its origin is not allowed.', code: 'forbidden' };
const NOT_ALLOWED: Refusal = { status: 405, text: '' };

/** SignalR's answers to the transports that are not spoken here. */
function refusalOfTransport(method: string | undefined, request: ClientRequest): Refusal {
  if (method === 'POST') return { status: 405, text: 'POST requests are not allowed for WebSocket connections.' };
  if (method === 'DELETE') return { status: 400, text: 'Cannot terminate this connection using the DELETE endpoint.' };
  if (method !== 'GET') return NOT_ALLOWED;
  if (queryValue(request.url, 'id') === undefined) return { status: 400, text: 'Connection ID required' };
  const name = request.headers.accept?.includes('text/event-stream') ? 'ServerSentEvents' : 'LongPolling';
  return { status: 404, text: `${name} transport not supported by this end point type` };
}

function swallowReset(this: Duplex): void {
  this.destroy();
}
