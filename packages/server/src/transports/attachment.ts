import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse, Http2Session } from 'node:http2';
import type { HttpServer } from './http-server.ts';

/**
 * An HTTP server that requests come through. When it is closed, our connections end too: Node's `close` waits until every socket has ended,
 * and emits nothing before that.
 */
export class Attachment {
  readonly server: HttpServer;
  /** `closing`: connections are being ended. `drained`: all have ended, and sockets are closed with their last answer. */
  #state: 'open' | 'closing' | 'drained' = 'open';
  readonly #sessions = new Set<Http2Session>();

  constructor(server: HttpServer) {
    this.server = server;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** A server may listen again after it was closed. */
  reopen(): void {
    this.#state = 'open';
  }

  /** Ends the connections that came through the server, by `release`. Does nothing while it is closing already. */
  async close(release: () => Promise<void>): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    await release();
    if ((this.#state as string) !== 'closing') return; // it listens again
    this.#state = 'drained';
    const { server } = this;
    if ('closeIdleConnections' in server) server.closeIdleConnections();
    for (const session of this.#sessions) session.close(); // lets its requests end
  }

  /** Closes the socket with the last answer: Node would keep the socket of an ended stream for the next request. */
  observe(response: ServerResponse | Http2ServerResponse): void {
    if ('stream' in response) return;
    response.once('finish', () => {
      if (this.#state === 'drained') response.req.socket.destroySoon();
    });
  }

  opened(session: Http2Session): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
  }
}
