import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { isTooFarAhead } from './socket-events.ts';
import { Attachment } from './attachment.ts';
import type { Endpoint } from './endpoint.ts';
import { HttpExchange } from './exchange.ts';
import type { HttpServer } from './http-server.ts';
import { routeOf } from './path.ts';
import { resumeAsHttp } from './upgrade.ts';

/** Routes requests of the attached HTTP servers to the endpoints of their paths, and leaves all other requests to the servers. */
export class Router {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #detach: (() => void)[] = [];

  add(path: string, endpoint: Endpoint): void {
    this.#endpoints.set(path, endpoint);
  }

  /** Finds the endpoint of a request target. Undefined if its path has none. */
  find(target: string | undefined): { readonly endpoint: Endpoint; readonly isNegotiate: boolean } | undefined {
    const route = routeOf(target);
    const endpoint = route && this.#endpoints.get(route.path);
    return endpoint && { endpoint, isNegotiate: route.isNegotiate };
  }

  /** The path of a hub that accepts clients. */
  pathOf(hub: string): string | undefined {
    for (const [path, endpoint] of this.#endpoints) if (endpoint.hub === hub) return path;
    return undefined;
  }

  has(path: string): boolean {
    return this.#endpoints.has(path);
  }

  /**
   * Attaches an HTTP server. Its own listeners, added before or after, get all requests of other paths. When the server is closed,
   * `release` ends the connections that came through it.
   */
  attach(server: HttpServer, release: (attachment: Attachment) => Promise<void>): void {
    const { emit, close } = server;
    const attachment = new Attachment(server);
    let attached = true;
    const ours = (event: string | symbol, ...args: readonly unknown[]): boolean => {
      if (event === 'request') return this.#request(attachment, args[0] as IncomingMessage, args[1] as ServerResponse);
      if (event === 'upgrade') return this.#upgrade(attachment, [args[0] as IncomingMessage, args[1] as Socket, args[2] as Buffer]);
      if (event === 'session') attachment.opened(args[0] as Http2Session);
      if (event === 'listening') attachment.reopen();
      return false;
    };
    // A listener cannot hide a request from other listeners; a wrapper of `emit` can.
    const emits = (event: string | symbol, ...args: readonly unknown[]): boolean =>
      (attached && ours(event, ...args)) || (Reflect.apply(emit, server, [event, ...args]) as boolean);
    // Node emits nothing when `close` is called, and waits for our connections.
    const closes = (...args: readonly unknown[]): unknown => {
      const closing = Reflect.apply(close, server, args) as unknown;
      if (attached) void attachment.close(() => release(attachment));
      return closing;
    };
    Object.assign(server, { emit: emits, close: closes });
    server.on('upgrade', unclaimed);
    // A server of HTTP/2 creates requests only if it has a listener for them.
    if ('updateSettings' in server) server.on('request', unanswered);
    this.#detach.push(() => {
      attached = false; // a later wrapper of `emit` or `close` still calls this one
      server.off('upgrade', unclaimed);
      server.off('request', unanswered);
      if ((server.emit as unknown) === emits) server.emit = emit;
      if ((server.close as unknown) === closes) server.close = close;
    });
  }

  detach(): void {
    for (const undo of this.#detach.splice(0)) undo();
  }

  /** Passes a request to the endpoint of its path. Returns false if the path has none. */
  #request(attachment: Attachment, request: IncomingMessage, response: ServerResponse): boolean {
    const route = this.find(request.url);
    if (!route) return false;
    const { endpoint, isNegotiate } = route;
    if (isTooFarAhead(request)) request.socket.destroy(); // a refusal would wait behind the answers to earlier requests
    if (request.socket.destroyed) return true;
    attachment.observe(response);
    void endpoint.request(new HttpExchange(request, response, attachment), isNegotiate);
    return true;
  }

  #upgrade(attachment: Attachment, [request, socket, head]: UpgradeArguments): boolean {
    const route = this.find(request.url);
    if (!route) return false;
    const { endpoint, isNegotiate } = route;
    // Any other upgrade is an offer that a server may ignore (RFC 9110, 7.8).
    if (!isNegotiate && isWebSocket(request)) void endpoint.upgrade({ request, socket, head }, attachment);
    else resumeAsHttp(attachment.server, [request, socket, head]);
    return true;
  }
}

type UpgradeArguments = readonly [request: IncomingMessage, socket: Socket, head: Buffer];

const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.trim().toLowerCase() === 'websocket';

/**
 * Handles upgrades of other paths like Node without listeners, which ignores the upgrade and emits a plain request: with our listener Node
 * emits every upgrade.
 */
function unclaimed(this: HttpServer, ...upgrade: UpgradeArguments): void {
  if (this.listeners('upgrade').every((listener) => listener === unclaimed)) resumeAsHttp(this, upgrade);
}

/** Answers 404 to requests that no other listener can answer. */
function unanswered(this: HttpServer, _request: IncomingMessage, response: ServerResponse): void {
  const isAlone = this.listeners('request').every((listener) => listener === unanswered);
  if (isAlone && !response.headersSent) response.writeHead(404).end();
}
