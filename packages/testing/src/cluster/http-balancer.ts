import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';

export interface BalancedNode {
  readonly nodeId: string;
  readonly port: number;
}

/**
 * A small HTTP load balancer. `round-robin` gives each request to the next node; `sticky` prefers the node that the query parameter `node` or
 * the cookie `hubline_node` names. A request whose node refuses the connection, or answers 503, goes to another node.
 */
export class HttpBalancer implements AsyncDisposable {
  readonly #nodes: readonly BalancedNode[];
  readonly #isSticky: boolean;
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();
  #next = 0;

  constructor(kind: 'round-robin' | 'sticky', nodes: readonly BalancedNode[]) {
    this.#nodes = nodes;
    this.#isSticky = kind === 'sticky';
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('request', (incoming: IncomingMessage, response: ServerResponse) => this.#forward(incoming, response));
    this.#server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => this.#upgrade(incoming, { socket, head }));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** The nodes in the order in which they are tried. */
  #candidates({ url = '', headers }: IncomingMessage): readonly BalancedNode[] {
    const start = this.#next++ % this.#nodes.length;
    const inTurn = [...this.#nodes.slice(start), ...this.#nodes.slice(0, start)];
    const named = /[?&]node=([^&]*)/.exec(url)?.[1] ?? /\bhubline_node=([^;]*)/.exec(headers.cookie ?? '')?.[1];
    const preferred = this.#isSticky ? inTurn.find(({ nodeId }) => nodeId === named) : undefined;
    return preferred ? [preferred, ...inTurn.filter((node) => node !== preferred)] : inTurn;
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    // Read whole, so that it can be sent again. The bodies of hub clients are small.
    const body: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => body.push(chunk));
    incoming.on('end', () => attempt(this.#candidates(incoming)));
    const attempt = ([node, ...others]: readonly BalancedNode[]): void => {
      if (!node) return void response.writeHead(502).end();
      const outgoing = request({
        ...addressOf(node),
        method: incoming.method,
        path: incoming.url,
        headers: headersFor(incoming),
        agent: false,
      });
      response.once('close', () => outgoing.destroy());
      outgoing.on('response', (answer) => {
        if (answer.statusCode === 503 && others.length > 0) {
          answer.resume();
          return attempt(others);
        }
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        response.flushHeaders();
        answer.pipe(response);
        answer.on('error', () => response.destroy()); // the node ended
      });
      outgoing.on('error', () => (response.headersSent || response.destroyed ? response.destroy() : attempt(others)));
      outgoing.end(Buffer.concat(body));
    };
  }

  #upgrade(incoming: IncomingMessage, { socket, head }: { readonly socket: Socket; readonly head: Buffer }): void {
    socket.on('error', () => socket.destroy());
    const attempt = ([node, ...others]: readonly BalancedNode[]): void => {
      if (!node || socket.destroyed) return void socket.destroy();
      const outgoing = request({ ...addressOf(node), path: incoming.url, headers: headersFor(incoming), agent: false });
      outgoing.on('upgrade', (answer: IncomingMessage, upstream: Socket, first: Buffer) => {
        upstream.on('error', () => socket.destroy());
        socket.once('close', () => upstream.destroy());
        upstream.once('close', () => socket.destroy());
        socket.setNoDelay();
        socket.write(headOf(answer));
        if (first.length > 0) upstream.unshift(first);
        if (head.length > 0) socket.unshift(head);
        upstream.pipe(socket).pipe(upstream);
      });
      outgoing.on('response', (answer) => {
        if (answer.statusCode === 503 && others.length > 0) {
          answer.resume();
          return attempt(others);
        }
        socket.write(headOf(answer));
        answer.pipe(socket);
      });
      outgoing.on('error', () => attempt(others));
      outgoing.end();
    };
    attempt(this.#candidates(incoming));
  }
}

const addressOf = ({ port }: BalancedNode) => ({ host: '127.0.0.1', port });

const headersFor = ({ headers, socket }: IncomingMessage) => ({
  ...headers,
  'x-forwarded-for': socket.remoteAddress,
  'x-forwarded-proto': 'http',
  'x-forwarded-host': headers.host,
});

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
