import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Endpoint } from './endpoint.ts';
import { routeOf } from './path.ts';
import { resumeAsHttp } from './upgrade.ts';

/** Finds the endpoint for a request, and takes ours, and only ours, from the HTTP servers that it is attached to. */
export class Router {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #detach: (() => void)[] = [];

  add(path: string, endpoint: Endpoint): void {
    this.#endpoints.set(path, endpoint);
  }

  has(path: string): boolean {
    return this.#endpoints.has(path);
  }

  /** Routes added before or after stay as they are: the server's own listeners see everything that is not ours. */
  attach(server: Server): void {
    const emit = server.emit;
    let attached = true;
    const ours = (event: string | symbol, ...args: readonly unknown[]): boolean => {
      if (event === 'request') return this.request(args[0] as IncomingMessage, args[1] as ServerResponse);
      if (event === 'upgrade') return this.#upgrade(server, [args[0] as IncomingMessage, args[1] as Socket, args[2] as Buffer]);
      return false;
    };
    // A listener could not keep a request from the other listeners; in front of `emit` it can, also from later ones.
    const intercept: Server['emit'] = (event: string | symbol, ...args: readonly unknown[]): boolean =>
      (attached && ours(event, ...args)) || (Reflect.apply(emit, server, [event, ...args]) as boolean);
    server.emit = intercept;
    server.on('upgrade', unclaimed);
    this.#detach.push(() => {
      attached = false; // a later wrapper of `emit` still calls this one
      server.off('upgrade', unclaimed);
      if (server.emit === intercept) server.emit = emit;
    });
  }

  detach(): void {
    for (const undo of this.#detach.splice(0)) undo();
  }

  /** True where the request was ours. */
  request(request: IncomingMessage, response: ServerResponse): boolean {
    const route = routeOf(request.url);
    const endpoint = route && this.#endpoints.get(route.path);
    void endpoint?.request(request, response, route?.isNegotiate ?? false); // answers every failure itself
    return endpoint !== undefined;
  }

  #upgrade(server: Server, [request, socket, head]: UpgradeArguments): boolean {
    const route = routeOf(request.url);
    const endpoint = route && this.#endpoints.get(route.path);
    if (!endpoint) return false;
    // Any other upgrade is an offer that a server may ignore (RFC 9110, 7.8).
    if (!route.isNegotiate && isWebSocket(request))
      void endpoint.upgrade({ request, socket, head }); // answers every failure itself
    else resumeAsHttp(server, [request, socket, head]);
    return true;
  }
}

type UpgradeArguments = readonly [request: IncomingMessage, socket: Socket, head: Buffer];

const isWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.trim().toLowerCase() === 'websocket';

/**
 * Without any listener Node ignores upgrades and hands over plain requests; with ours alone it hands over every upgrade. Those that are
 * not ours go on as they would without us.
 */
function unclaimed(this: Server, ...upgrade: UpgradeArguments): void {
  if (this.listeners('upgrade').every((listener) => listener === unclaimed)) resumeAsHttp(this, upgrade);
}
