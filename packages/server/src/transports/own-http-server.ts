import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** An HTTP server of Hubline's own, which can be closed while clients hold connections open. */
export class OwnHttpServer {
  readonly server: Server = createServer((_request, response) => response.writeHead(404).end());
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  constructor() {
    const sockets = this.#sockets;
    function forget(this: Socket): void {
      sockets.delete(this);
    }
    this.server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', forget); // one listener for all sockets, and not `once`, which wraps it for each
    });
  }

  /** Resolves with the port. Rejects with Node's error, for example if the port is taken. */
  async listen(port: number, host: string | undefined): Promise<number> {
    this.server.listen(port, host);
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** Stops listening, so that balancers choose another node. Settles when all requests have ended. Idempotent. */
  close(): Promise<void> {
    return (this.#closed ??= new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeIdleConnections();
    }));
  }

  /** Destroys the remaining sockets, including upgraded ones, which Node no longer tracks. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
