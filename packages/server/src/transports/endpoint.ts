import type { Duplex } from 'node:stream';
import { HublineError, type TransportName } from '@hubline/protocol';
import type { Acceptor, ClientSession, NegotiateReply } from './acceptor.ts';
import { untilClientGone } from './socket-events.ts';
import type { Attachment } from './attachment.ts';
import type { HttpExchange } from './exchange.ts';
import type { InMemoryTransport } from './in-memory-transport.ts';
import { LongPollingTransport, type LongPollingTimeouts } from './long-polling.ts';
import type { OriginPolicy } from './origins.ts';
import { FAILED, gone, headersOf, refusalFor, refuseUpgrade, Refused, type Refusal } from './refusal.ts';
import {
  parseRequest,
  queryValue,
  withoutCookies,
  type ClientRequest,
  type InMemoryHead,
  type ParsedRequest,
  type RequestHead,
} from './request.ts';
import { ServerSentEventsTransport } from './server-sent-events.ts';
import type { Upgrade, WebSocketUpgrader } from './websocket.ts';

export interface EndpointOptions {
  readonly acceptor: Acceptor;
  readonly upgrader: WebSocketUpgrader;
  readonly origins: OriginPolicy;
  /** The number of trusted proxies in front of this server. */
  readonly proxies: number;
  readonly timeouts: LongPollingTimeouts;
  readonly report: (error: unknown) => void;
}

/** Serves one path over HTTP: negotiation, every transport, and refusals of all other requests (TransportProtocols.md). */
export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #refusedOrigins = new Set<string>();

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  get hub(): string | undefined {
    return this.#options.acceptor.hub;
  }

  /** Answers a request. Never rejects: a failure becomes a refusal. */
  async request(exchange: HttpExchange, isNegotiate: boolean): Promise<void> {
    const { incoming, method, body } = exchange;
    if (isNegotiate || method !== 'POST') body.discard();
    try {
      const { request, id } = this.#parse(incoming);
      exchange.cors = this.#options.origins.headers(request);
      if (method === 'OPTIONS') exchange.answer(204);
      else if (!isNegotiate) await this.#connect(exchange, request, id);
      else if (method === 'POST') await this.#negotiate(exchange, request);
      else throw new Refused({ status: 405, text: '' });
    } catch (error) {
      exchange.refuse(this.#refusal(error));
    } finally {
      exchange.handled();
    }
  }

  /** Accepts or refuses a WebSocket. Never rejects. */
  async upgrade(upgrade: Upgrade, attachment: Attachment): Promise<void> {
    const { socket } = upgrade;
    const { clientGone, stop } = untilClientGone(socket);
    socket.on('error', destroyOnReset);
    try {
      const { request, id } = this.#parse(upgrade.request);
      this.#checkOffered('WebSockets');
      const session = await this.#options.acceptor.admit(request, id, clientGone);
      try {
        checkUnconnected(session, 'WebSockets');
        clientGone.throwIfAborted();
        socket.off('error', destroyOnReset);
        checkOpen(attachment);
        this.#options.upgrader.upgrade(upgrade, (transport) => session.accept(transport, { request, attachment }));
      } finally {
        session.decline();
      }
    } catch (error) {
      refuseUpgrade(socket, this.#refusal(error));
    } finally {
      stop();
    }
  }

  /** Answers the negotiation of a client of the same process. Never rejects. */
  async negotiateInMemory(head: InMemoryHead, clientGone: AbortSignal): Promise<InMemoryAnswer> {
    try {
      const { body, headers } = await this.#negotiateReply(this.#parseInMemory(head).request, clientGone);
      return { status: 200, headers: { ...headers }, text: JSON.stringify(body) };
    } catch (error) {
      const refusal = this.#refusal(error);
      return { status: refusal.status, headers: headersOf(refusal), text: refusal.text };
    }
  }

  /** Accepts a client of the same process. @throws the error with which it is refused */
  async openInMemory(head: InMemoryHead, { transport, signal }: { transport: InMemoryTransport; signal: AbortSignal }): Promise<void> {
    const { request, id } = this.#parseInMemory(head);
    this.#checkOffered('WebSockets');
    const session = await this.#options.acceptor.admit(request, id, signal);
    try {
      checkUnconnected(session, 'WebSockets');
      signal.throwIfAborted();
      transport.open(session.accept(transport, { request, attachment: undefined }));
    } finally {
      session.decline();
    }
  }

  /** @throws Refused if the origin of the page is not allowed */
  #parse(incoming: RequestHead): ParsedRequest {
    const { acceptor, origins, proxies } = this.#options;
    const { hub, path } = acceptor;
    const parsed = parseRequest(incoming, { hub, path: path || '/', proxies });
    if (!origins.allows(parsed.request)) throw this.#forbiddenOrigin(parsed.request);
    return origins.ignoresCookies(parsed.request) ? { ...parsed, request: withoutCookies(parsed.request) } : parsed;
  }

  #parseInMemory(head: InMemoryHead): ParsedRequest {
    const { request, id } = this.#parse(head);
    return { request: { ...request, ...(head.identity && { identity: head.identity }) }, id };
  }

  async #negotiate(exchange: HttpExchange, request: ClientRequest): Promise<void> {
    const { body, headers } = await this.#negotiateReply(request, exchange.clientGone);
    checkOpen(exchange.attachment); // the client could not connect any more
    // Appended, since the program may have set a cookie on the response.
    for (const [name, value] of Object.entries(headers)) exchange.response.appendHeader(name, value);
    exchange.answer(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }, JSON.stringify(body));
  }

  async #negotiateReply(request: ClientRequest, clientGone: AbortSignal): Promise<NegotiateReply> {
    const { acceptor } = this.#options;
    const requested = queryValue(request.url, 'negotiateVersion') ?? '0';
    if (!/^-?\d+$/.test(requested)) return errorReply('The client requested a non-integer protocol version.');
    const version = Number(requested);
    if (version < acceptor.minimumVersion) {
      return errorReply(`The client requested version '${version}', but the server does not support this version.`);
    }
    return acceptor.negotiate(request, Math.min(version, 1), clientGone);
  }

  /** Handles a request of the transports that are made of HTTP requests: each begins here, and belongs to a session. */
  async #connect(exchange: HttpExchange, request: ClientRequest, token: string | undefined): Promise<void> {
    const { method, clientGone } = exchange;
    if (method !== 'GET' && method !== 'POST' && method !== 'DELETE') throw new Refused({ status: 405, text: '' });
    if (token === undefined) throw new Refused({ status: 400, text: 'Connection ID required' });
    const name = request.headers.accept?.includes('text/event-stream') ? 'ServerSentEvents' : 'LongPolling';
    if (method === 'GET') this.#checkOffered(name);
    const session = await this.#options.acceptor.admit(request, token, clientGone);
    clientGone.throwIfAborted(); // a transport that opened now would not notice that its client has disconnected
    if (method === 'POST') await this.#post(exchange, session);
    else if (method === 'DELETE') this.#delete(exchange, session);
    else if (name === 'ServerSentEvents') this.#stream(exchange, session, request);
    else this.#poll(exchange, session, request);
  }

  #stream({ response, attachment, cors: headers }: HttpExchange, session: ClientSession, request: ClientRequest): void {
    checkUnconnected(session, 'ServerSentEvents');
    checkOpen(attachment);
    const { sendMs } = this.#options.timeouts;
    new ServerSentEventsTransport(response, { headers, sendMs, accept: (transport) => session.accept(transport, { request, attachment }) });
  }

  #poll(exchange: HttpExchange, session: ClientSession, request: ClientRequest): void {
    if (session.transport instanceof LongPollingTransport) return session.transport.poll(exchange.response, exchange.cors);
    const { attachment } = exchange;
    checkUnconnected(session, 'LongPolling');
    checkOpen(attachment);
    new LongPollingTransport(this.#options.timeouts, (transport) => session.accept(transport, { request, attachment }));
    // The first poll only opens the connection, and is answered at once.
    exchange.answer(200, { 'content-length': 0, 'cache-control': 'no-cache,no-store' });
  }

  async #post(exchange: HttpExchange, { transport }: ClientSession): Promise<void> {
    if (transport?.name === 'WebSockets')
      throw new Refused({ status: 405, text: 'POST requests are not allowed for WebSocket connections.' });
    if (!transport?.post) throw gone();
    try {
      await transport.post(exchange.body);
    } catch (cause) {
      throw new Refused({ status: 400, text: 'The body could not be read.' }, { cause });
    }
    exchange.answer(200, { 'content-length': 0 });
  }

  #delete(exchange: HttpExchange, { transport }: ClientSession): void {
    if (!(transport instanceof LongPollingTransport)) {
      throw new Refused({ status: 400, text: 'Cannot terminate this connection using the DELETE endpoint.' });
    }
    transport.deletedByClient();
    exchange.answer(202, { 'content-length': 0 });
  }

  /** @throws Refused with SignalR's text if the path does not offer a transport */
  #checkOffered(name: TransportName): void {
    if (this.#options.acceptor.transports.includes(name)) return;
    throw new Refused({ status: 404, text: `${name} transport not supported by this end point type` });
  }

  /** Refuses a page's origin, and reports it to the operator, since browsers hide the answer from the page. */
  #forbiddenOrigin({ headers, url }: ClientRequest): Refused {
    const origin = String(headers.origin);
    const text = `This page may not connect: its origin ${origin} is neither ${url.origin}, as which the server is asked, nor in the hub's \`origins\`.`;
    if (!this.#refusedOrigins.has(origin) && this.#refusedOrigins.size < MAX_REPORTED_ORIGINS) {
      this.#refusedOrigins.add(origin);
      const hint = url.protocol === 'http:' && origin.startsWith('https:') ? ' Behind a proxy that ends TLS, set `trustProxy`.' : '';
      this.#options.report(new HublineError('forbidden', text + hint, {}));
    }
    return new Refused({ status: 403, text, code: 'forbidden' });
  }

  #refusal(error: unknown): Refusal {
    const refusal = refusalFor(error);
    if (!refusal) this.#options.report(error);
    return refusal ?? FAILED;
  }
}

export interface InMemoryAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** Bounds the reported origins: a client can send a new one with every request. */
const MAX_REPORTED_ORIGINS = 100;

const errorReply = (error: string): NegotiateReply => ({ body: { error }, headers: {} });

/** A server that is being closed takes no connections. */
function checkOpen({ isOpen }: Attachment): void {
  if (!isOpen) throw new HublineError('shutdown', 'This node takes no more connections.', {});
}

/** A session has one transport, once. */
function checkUnconnected({ transport, connectionId }: ClientSession, wanted: TransportName): void {
  if (transport?.name === wanted) throw new HublineError('already_connected', '', { connectionId });
  if (transport) throw new Refused({ status: 400, text: 'Cannot change transports mid-connection' });
}

/** Until the WebSocket listens for errors, a reset by the client would end the process. */
function destroyOnReset(this: Duplex): void {
  this.destroy();
}
