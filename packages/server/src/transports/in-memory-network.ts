import { HublineError, type Wire } from '@hubline/protocol';
import { InMemoryTransport, type InMemoryPipe } from './in-memory-transport.ts';
import type { InMemoryHead } from './request.ts';
import type { Router } from './router.ts';

/** A request to connect, from a client of the same process. */
export interface InMemoryRequest {
  /** Any origin: only the path and the query count. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The result that `authenticate` would have. It does not run then. */
  readonly identity?: object | undefined;
  /** Closes the connection. */
  readonly signal: AbortSignal;
  receive(wire: Wire): void;
}

/** Connects clients of the same process to the paths of a server, without sockets. */
export class InMemoryNetwork {
  readonly #router: Router;

  constructor(router: Router) {
    this.#router = router;
  }

  /** The path of a hub. @throws RangeError if the server hosts no hub of this name for clients */
  pathOf(hub: string): string {
    const path = this.#router.pathOf(hub);
    if (path === undefined) throw new RangeError(`The server accepts no clients for a hub named ${hub}.`);
    return path || '/';
  }

  /** Answers the request of a negotiation. Never rejects. */
  async negotiate({ url, headers, identity, signal }: Omit<InMemoryRequest, 'receive'>): Promise<Response> {
    const route = this.#router.find(url.pathname);
    if (!route?.isNegotiate) return new Response('', { status: 404 });
    const { status, text, headers: more } = await route.endpoint.negotiateInMemory(headOf({ url, headers, identity }), signal);
    return new Response(text, { status, headers: more });
  }

  /** Connects a client that has negotiated, or skips negotiation. @throws the error with which the server refuses it */
  async open({ url, headers, identity, signal, receive }: InMemoryRequest): Promise<InMemoryPipe> {
    const route = this.#router.find(url.pathname);
    if (!route || route.isNegotiate) throw new HublineError('negotiation_failed', `The server has no path ${url.pathname}.`, {});
    const transport = new InMemoryTransport(receive);
    await route.endpoint.openInMemory(headOf({ url, headers, identity }), { transport, signal });
    const leave = (): void => transport.end(1000, '');
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    return { send: (wire) => transport.sent(wire), closed: transport.gone, bufferedAmount: 0 };
  }
}

const headOf = ({ url, headers = {}, identity }: Pick<InMemoryRequest, 'url' | 'headers' | 'identity'>): InMemoryHead => ({
  url: url.pathname + url.search,
  headers: { host: url.host, ...lowerCased(headers) },
  socket: {},
  ...(identity && { identity }),
});

const lowerCased = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
