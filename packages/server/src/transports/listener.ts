import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** An HTTP server of our own, which can be closed although somebody holds it open. */
export class Listener {
  readonly server: Server = createServer((_request, response) => response.writeHead(404).end());
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  constructor() {
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Resolves with the port. @throws what Node says: the port is taken, say. */
  async listen(port: number, host: string | undefined): Promise<number> {
    this.server.listen(port, host);
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** Stops listening, so that a balancer tries another node, and settles when all requests have ended. Idempotent. */
  close(): Promise<void> {
    return (this.#closed ??= new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeIdleConnections();
    }));
  }

  /** Cuts who is still there, whatever they wait for: Node does not know the sockets of upgrades any more. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
