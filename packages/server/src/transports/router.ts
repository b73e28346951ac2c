import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from './endpoint.ts';
import { refuseUpgrade } from './refusal.ts';
import { pathOf } from './request.ts';

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
      if (event === 'upgrade') return this.upgrade(args[0] as IncomingMessage, args[1] as Socket, args[2] as Buffer);
      return false;
    };
    // A listener could not keep a request from the other listeners; in front of `emit` it can, also from later ones.
    const intercept: Server['emit'] = (event: string | symbol, ...args: readonly unknown[]): boolean =>
      (attached && ours(event, ...args)) || (Reflect.apply(emit, server, [event, ...args]) as boolean);
    server.emit = intercept;
    server.on('upgrade', unclaimed);
    this.#detach.push(() => {
      attached = false; // who has wrapped `emit` after us still calls us
      server.off('upgrade', unclaimed);
      if (server.emit === intercept) server.emit = emit;
    });
  }

  detach(): void {
    for (const undo of this.#detach.splice(0)) undo();
  }

  /** True where the request was ours. */
  request(request: IncomingMessage, response: ServerResponse): boolean {
    const path = pathOf(request.url);
    const isNegotiate = path?.endsWith(NEGOTIATE) ?? false;
    const endpoint = path === undefined ? undefined : this.#endpoints.get(isNegotiate ? path.slice(0, -NEGOTIATE.length) : path);
    void endpoint?.request(request, response, isNegotiate); // answers every failure itself
    return endpoint !== undefined;
  }

  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): boolean {
    const path = pathOf(request.url);
    const endpoint = path === undefined ? undefined : this.#endpoints.get(path);
    void endpoint?.upgrade({ request, socket, head }); // answers every failure itself
    return endpoint !== undefined;
  }
}

const NEGOTIATE = '/negotiate';

/** Without any listener Node does not offer upgrades at all; with ours alone, an upgrade that nobody wants is ours to end. */
function unclaimed(this: Server, _request: IncomingMessage, socket: Duplex): void {
  if (this.listeners('upgrade').some((listener) => listener !== unclaimed)) return;
  refuseUpgrade(socket, { status: 404, text: 'Nothing here takes an upgrade.' });
}
