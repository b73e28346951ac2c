import type { IncomingMessage } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { Socket } from 'node:net';
import type { HttpServer } from './http-server.ts';

/** Requests that were handed back: several servers may be attached to one HTTP server, and each would do it. */
const resumed = new WeakSet<IncomingMessage>();

/**
 * Ignores an upgrade: the request goes on as HTTP/1.1. By then Node has given its socket away, so the request is put back in front of
 * what follows, without the offer, and the socket is handed to the server as a new one. Node documents both.
 */
export function resumeAsHttp(server: HttpServer, [request, socket, head]: readonly [IncomingMessage, Socket, Buffer]): void {
  if (resumed.has(request)) return;
  resumed.add(request);
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method ?? ''} ${url ?? ''} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${value}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket);
}
