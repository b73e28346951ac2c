import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HublineError, type TransportName } from '@hubline/protocol';
import type { Acceptor, Admission, Answer } from './acceptor.ts';
import { untilLeft } from './answered.ts';
import type { Attachment } from './attachment.ts';
import { Body } from './body.ts';
import { LongPollingTransport } from './long-polling.ts';
import type { OriginPolicy } from './origins.ts';
import { FAILED, gone, refusalFor, refuse, refuseUpgrade, Refused, type Refusal } from './refusal.ts';
import { parseRequest, queryValue, withoutCookies, type ClientRequest, type ParsedRequest } from './request.ts';
import { ServerSentEventsTransport } from './server-sent-events.ts';
import type { TransportListener, Transport } from './transport.ts';
import type { Upgrade, WebSocketUpgrader } from './websocket.ts';

export interface EndpointOptions {
  readonly acceptor: Acceptor;
  readonly upgrader: WebSocketUpgrader;
  readonly origins: OriginPolicy;
  /** The number of trusted proxies in front of this server. */
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
  readonly #origins: OriginPolicy;
  /** Transports whose clients come back with more requests, by token. */
  readonly #posted = new Map<string, ServerSentEventsTransport | LongPollingTransport>();
  readonly #refusedOrigins = new Set<string>();

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#origins = options.origins;
  }

  async request({ incoming, response, attachment }: Asked, isNegotiate: boolean): Promise<void> {
    const { left, stop } = untilLeft(incoming.socket);
    let cors: Headers = {};
    const body = new Body(incoming);
    if (isNegotiate || incoming.method !== 'POST') body.discard(); // it says nothing
    try {
      const { request, id } = this.#parse(incoming);
      cors = this.#origins.headers(request);
      if (incoming.method === 'OPTIONS') response.writeHead(204, cors).end();
      else if (!isNegotiate) await this.#connect({ request, id }, { incoming, body, response, attachment, cors, left });
      else if (incoming.method === 'POST') await this.#negotiate(request, { response, attachment, cors, left });
      else throw new Refused({ status: 405, text: '' });
    } catch (error) {
      body.discard();
      if (!response.headersSent) refuse(response, this.#refusal(error), cors);
    } finally {
      stop();
    }
  }

  async upgrade(upgrade: Upgrade, attachment: Attachment): Promise<void> {
    const { request: incoming, socket } = upgrade;
    const { left, stop } = untilLeft(socket);
    socket.on('error', swallowReset); // until ws listens, a reset by the peer would end the process
    try {
      const { request, id } = this.#parse(incoming);
      this.#speaks('WebSockets');
      const admission = await this.#options.acceptor.admit(request, id, left);
      try {
        checkFree(admission, 'WebSockets');
        left.throwIfAborted();
        socket.off('error', swallowReset);
        checkOpen(attachment);
        this.#options.upgrader.upgrade(upgrade, (transport) => admission.accept(transport, attachment));
      } finally {
        admission.decline();
      }
    } catch (error) {
      refuseUpgrade(socket, this.#refusal(error));
    } finally {
      stop();
    }
  }

  /** @throws Refused where the page may not connect */
  #parse(incoming: IncomingMessage): ParsedRequest {
    const { acceptor, proxies } = this.#options;
    const { hub, path } = acceptor;
    const parsed = parseRequest(incoming, { hub, path: path || '/', proxies });
    if (!this.#origins.allows(parsed.request)) throw this.#forbiddenOrigin(parsed.request);
    return this.#origins.isStranger(parsed.request) ? { ...parsed, request: withoutCookies(parsed.request) } : parsed;
  }

  async #negotiate(request: ClientRequest, { response, attachment, cors, left }: Omit<Exchange, 'incoming' | 'body'>): Promise<void> {
    const { body, headers } = await this.#negotiated(request, left);
    checkOpen(attachment); // the client would not come in again
    // Appended: a cookie that the program has set on the response stays.
    for (const [name, value] of Object.entries(headers)) response.appendHeader(name, value);
    response.writeHead(200, { ...cors, 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
  }

  async #negotiated(request: ClientRequest, left: AbortSignal): Promise<Answer> {
    const { acceptor } = this.#options;
    const asked = queryValue(request.url, 'negotiateVersion') ?? '0';
    if (!/^-?\d+$/.test(asked)) return answerError('The client requested a non-integer protocol version.');
    const version = Number(asked);
    if (version < acceptor.minimumVersion) {
      return answerError(`The client requested version '${version}', but the server does not support this version.`);
    }
    return acceptor.negotiate(request, Math.min(version, 1), left);
  }

  async #connect({ request, id: token }: ParsedRequest, { incoming, body, response, attachment, cors, left }: Exchange): Promise<void> {
    const { method } = incoming;
    if (method !== 'GET' && method !== 'POST' && method !== 'DELETE') throw new Refused({ status: 405, text: '' });
    if (token === undefined) throw new Refused({ status: 400, text: 'Connection ID required' });
    const name = request.headers.accept?.includes('text/event-stream') ? 'ServerSentEvents' : 'LongPolling';
    if (method === 'GET') this.#speaks(name);
    const admission = await this.#options.acceptor.admit(request, token, left);
    left.throwIfAborted(); // a transport that opened now would not notice that its client has left
    if (method === 'POST') return this.#post(admission, { body, response, cors });
    if (method === 'DELETE') this.#end(admission, response, cors);
    else if (name === 'ServerSentEvents') this.#stream(admission, { response, attachment, cors });
    else this.#poll(admission, { response, attachment, cors });
  }

  #stream(admission: Admission, { response, attachment, cors: headers }: Opening): void {
    checkFree(admission, 'ServerSentEvents');
    const { sendTimeoutMs } = this.#options;
    this.#keep(admission, attachment, (accept) => new ServerSentEventsTransport(response, { headers, sendTimeoutMs, accept }));
  }

  #poll(admission: Admission, { response, attachment, cors: headers }: Opening): void {
    const open = this.#posted.get(admission.token);
    if (open instanceof LongPollingTransport) return open.poll(response, headers);
    checkFree(admission, 'LongPolling');
    const { pollTimeoutMs, disconnectTimeoutMs, sendTimeoutMs } = this.#options;
    this.#keep(admission, attachment, (accept) => new LongPollingTransport({ pollTimeoutMs, disconnectTimeoutMs, sendTimeoutMs, accept }));
    // The first poll only opens the connection, and is answered at once.
    response.writeHead(200, { ...headers, 'content-length': 0, 'cache-control': 'no-cache,no-store' }).end();
  }

  async #post({ transport, token }: Admission, { body, response, cors }: Pick<Exchange, 'body' | 'response' | 'cors'>): Promise<void> {
    if (transport === 'WebSockets') throw new Refused({ status: 405, text: 'POST requests are not allowed for WebSocket connections.' });
    const open = this.#posted.get(token);
    if (!open) throw gone();
    try {
      await open.post(body);
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
    attachment: Attachment,
    open: (accept: (transport: Transport) => TransportListener) => ServerSentEventsTransport | LongPollingTransport,
  ): void {
    const { token } = admission;
    checkOpen(attachment);
    const transport = open((opened) => {
      const listener = admission.accept(opened, attachment);
      return {
        receive: (chunk, isEnd) => listener.receive(chunk, isEnd),
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

  /** Refuses a page's origin, and reports it to the operator, since browsers hide the answer from the page. */
  #forbiddenOrigin({ headers, url }: ClientRequest): Refused {
    const origin = String(headers.origin);
    const text = `This page may not connect: its origin ${origin} is neither ${url.origin}, as which the server is asked, nor in the hub's \`origins\`.`;
    if (!this.#refusedOrigins.has(origin) && this.#refusedOrigins.size < MAX_REPORTED_ORIGINS) {
      this.#refusedOrigins.add(origin);
      const why =
        text + (url.protocol === 'http:' && origin.startsWith('https:') ? ' Behind a proxy that ends TLS, set `trustProxy`.' : '');
      this.#options.report(new HublineError('forbidden', why, {}));
    }
    return new Refused({ status: 403, text, code: 'forbidden' });
  }

  #refusal(error: unknown): Refusal {
    const refusal = refusalFor(error);
    if (!refusal) this.#options.report(error);
    return refusal ?? FAILED;
  }
}

export interface Asked {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** The HTTP server that the request came through. */
  readonly attachment: Attachment;
}

interface Exchange extends Asked {
  readonly body: Body;
  readonly cors: Headers;
  /** Aborts when the client has left. */
  readonly left: AbortSignal;
}

type Opening = Pick<Exchange, 'response' | 'attachment' | 'cors'>;

/** Bounds the reported origins: a client can send a new one with every request. */
const MAX_REPORTED_ORIGINS = 100;

const answerError = (error: string): Answer => ({ body: { error }, headers: {} });

/** A server that is being closed takes no connections. */
function checkOpen({ isOpen }: Attachment): void {
  if (!isOpen) throw new HublineError('shutdown', 'This node takes no more connections.', {});
}

/** A connection has one transport, once. */
function checkFree({ transport, connectionId }: Admission, wanted: TransportName): void {
  if (transport === wanted) throw new HublineError('already_connected', '', { connectionId });
  if (transport !== undefined) throw new Refused({ status: 400, text: 'Cannot change transports mid-connection' });
}

function swallowReset(this: Duplex): void {
  this.destroy();
}
