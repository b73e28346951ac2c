import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HublineError, type TransportName } from '@hubline/protocol';
import type { Acceptor, Admission, Answer } from './acceptor.ts';
import { LongPollingTransport } from './long-polling.ts';
import { allowsOrigin, corsHeaders, type Origins } from './origins.ts';
import { FAILED, refusalFor, refuse, refuseUpgrade, Refused, type Refusal } from './refusal.ts';
import { clientRequest, queryValue, type ClientRequest } from './request.ts';
import { ServerSentEventsTransport } from './server-sent-events.ts';
import type { TransportListener, Transport } from './transport.ts';
import type { Upgrade, WebSocketUpgrader } from './websocket.ts';

export interface EndpointOptions {
  readonly acceptor: Acceptor;
  readonly upgrader: WebSocketUpgrader;
  readonly origins?: Origins | undefined;
  /** How many proxies of ours stand before this server. */
  readonly proxies: number;
  readonly pollTimeoutMs: number;
  readonly disconnectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly report: (error: unknown) => void;
}

type Headers = Readonly<Record<string, string>>;

/** One path over HTTP: negotiation, every transport, and the answers to everything else (TransportProtocols.md). */
export class Endpoint {
  readonly #options: EndpointOptions;
  /** Transports whose clients come back with more requests, by token. */
  readonly #posted = new Map<string, ServerSentEventsTransport | LongPollingTransport>();

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  async request(incoming: IncomingMessage, response: ServerResponse, isNegotiate: boolean): Promise<void> {
    let cors: Headers = {};
    try {
      const request = clientRequest(incoming, this.#options.proxies);
      if (!allowsOrigin(this.#options.origins, request)) return refuse(response, FORBIDDEN_ORIGIN);
      cors = corsHeaders(request);
      if (incoming.method === 'OPTIONS') response.writeHead(204, cors).end();
      else if (!isNegotiate) await this.#connect(request, { incoming, response, cors });
      else if (incoming.method === 'POST') await this.#negotiate(request, response, cors);
      else throw new Refused({ status: 405, text: '' });
    } catch (error) {
      incoming.resume(); // a body that nobody reads would hold the connection
      if (!response.headersSent) refuse(response, this.#refusal(error), cors);
    }
  }

  async upgrade(upgrade: Upgrade): Promise<void> {
    const { request: incoming, socket } = upgrade;
    socket.on('error', swallowReset); // until ws listens, a reset by the peer would end the process
    try {
      const request = clientRequest(incoming, this.#options.proxies);
      if (!allowsOrigin(this.#options.origins, request)) return refuseUpgrade(socket, FORBIDDEN_ORIGIN);
      this.#speaks('WebSockets');
      const admission = await this.#options.acceptor.admit(request, queryValue(request.url, 'id'));
      checkFree(admission, 'WebSockets');
      socket.off('error', swallowReset);
      if (!socket.destroyed) this.#options.upgrader.upgrade(upgrade, (transport) => admission.accept(transport));
    } catch (error) {
      refuseUpgrade(socket, this.#refusal(error));
    }
  }

  async #negotiate(request: ClientRequest, response: ServerResponse, cors: Headers): Promise<void> {
    const { body, headers } = await this.#negotiated(request);
    // Appended: a cookie that the program has set on the response stays.
    for (const [name, value] of Object.entries(headers)) response.appendHeader(name, value);
    response.writeHead(200, { ...cors, 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
  }

  async #negotiated(request: ClientRequest): Promise<Answer> {
    const { acceptor } = this.#options;
    const asked = queryValue(request.url, 'negotiateVersion') ?? '0';
    if (!/^-?\d+$/.test(asked)) return answerError('The client requested a non-integer protocol version.');
    const version = Number(asked);
    if (version < acceptor.minimumVersion) {
      return answerError(`The client requested version '${version}', but the server does not support this version.`);
    }
    return acceptor.negotiate(request, Math.min(version, 1));
  }

  async #connect(request: ClientRequest, { incoming, response, cors }: Exchange): Promise<void> {
    const { method } = incoming;
    if (method !== 'GET' && method !== 'POST' && method !== 'DELETE') throw new Refused({ status: 405, text: '' });
    const token = queryValue(request.url, 'id');
    if (token === undefined) throw new Refused({ status: 400, text: 'Connection ID required' });
    const name = request.headers.accept?.includes('text/event-stream') ? 'ServerSentEvents' : 'LongPolling';
    if (method === 'GET') this.#speaks(name);
    const admission = await this.#options.acceptor.admit(request, token);
    if (method === 'POST') return this.#post(admission, { incoming, response, cors });
    incoming.resume();
    if (method === 'DELETE') this.#end(admission, response, cors);
    else if (name === 'ServerSentEvents') this.#stream(admission, response, cors);
    else this.#poll(admission, response, cors);
  }

  #stream(admission: Admission, response: ServerResponse, headers: Headers): void {
    checkFree(admission, 'ServerSentEvents');
    const { sendTimeoutMs } = this.#options;
    this.#keep(admission, (accept) => new ServerSentEventsTransport(response, { headers, sendTimeoutMs, accept }));
  }

  #poll(admission: Admission, response: ServerResponse, headers: Headers): void {
    const open = this.#posted.get(admission.token);
    if (open instanceof LongPollingTransport) return open.poll(response, headers);
    checkFree(admission, 'LongPolling');
    const { pollTimeoutMs, disconnectTimeoutMs, sendTimeoutMs } = this.#options;
    this.#keep(admission, (accept) => new LongPollingTransport({ pollTimeoutMs, disconnectTimeoutMs, sendTimeoutMs, accept }));
    // The first poll says that the connection is there, and is answered at once.
    response.writeHead(200, { ...headers, 'content-length': 0, 'cache-control': 'no-cache,no-store' }).end();
  }

  async #post({ transport, token }: Admission, { incoming, response, cors }: Exchange): Promise<void> {
    if (transport === 'WebSockets') throw new Refused({ status: 405, text: 'POST requests are not allowed for WebSocket connections.' });
    const open = this.#posted.get(token);
    if (!open) throw gone();
    try {
      await open.post(incoming);
    } catch (cause) {
      throw new Refused({ status: 400, text: 'The body could not be read.' }, { cause });
    }
    response.writeHead(200, { ...cors, 'content-length': 0 }).end();
  }

  #end({ transport, token }: Admission, response: ServerResponse, cors: Headers): void {
    const open = this.#posted.get(token);
    if (transport !== 'LongPolling' || !(open instanceof LongPollingTransport)) {
      throw new Refused({ status: 400, text: 'Cannot terminate this connection using the DELETE endpoint.' });
    }
    open.leave();
    response.writeHead(202, { ...cors, 'content-length': 0 }).end();
  }

  /** Keeps a transport for the requests that follow, until it has closed. */
  #keep(
    admission: Admission,
    open: (accept: (transport: Transport) => TransportListener) => ServerSentEventsTransport | LongPollingTransport,
  ): void {
    const { token } = admission;
    const transport = open((opened) => {
      const listener = admission.accept(opened);
      return {
        receive: (chunk) => listener.receive(chunk),
        closed: (end) => {
          this.#posted.delete(token);
          listener.closed(end);
        },
      };
    });
    this.#posted.set(token, transport);
  }

  /** @throws Refused in SignalR's words */
  #speaks(name: TransportName): void {
    if (this.#options.acceptor.transports.includes(name)) return;
    throw new Refused({ status: 404, text: `${name} transport not supported by this end point type` });
  }

  #refusal(error: unknown): Refusal {
    const refusal = refusalFor(error);
    if (!refusal) this.#options.report(error);
    return refusal ?? FAILED;
  }
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly cors: Headers;
}

const FORBIDDEN_ORIGIN: Refusal = { status: 403, text: 'This page may not connect: its origin is not allowed.', code: 'forbidden' };

const answerError = (error: string): Answer => ({ body: { error }, headers: {} });

export const gone = (): HublineError<'connection_gone'> =>
  new HublineError('connection_gone', 'No Connection with that ID', { connectionId: '' });

/** A connection has one transport, once. */
function checkFree({ transport, connectionId }: Admission, wanted: TransportName): void {
  if (transport === wanted) throw new HublineError('already_connected', '', { connectionId });
  if (transport !== undefined) throw new Refused({ status: 400, text: 'Cannot change transports mid-connection' });
}

function swallowReset(this: Duplex): void {
  this.destroy();
}
