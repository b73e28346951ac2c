import type { IncomingMessage } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { Socket } from 'node:net';
import type { HttpServer } from './http-server.ts';

/** Requests that were handed back: several servers may be attached to one HTTP server, and each would do it. */
const resumed = new WeakSet<IncomingMessage>();

/** Offers of one socket. Each hands the socket to the server once more, which adds listeners to it and reads what follows again. */
const MAX_OFFERS = 4;
const offers = new WeakMap<Socket, number>();

/**
 * Ignores an upgrade: the request goes on as HTTP/1.1. By then Node has given its socket away, so the request is put back in front of
 * what follows, without the offer, and the socket is handed to the server as a new one. Node documents both. The answer to the last
 * offer that a socket may make closes it.
 */
export function resumeAsHttp(server: HttpServer, [request, socket, head]: readonly [IncomingMessage, Socket, Buffer]): void {
  if (resumed.has(request)) return;
  resumed.add(request);
  const count = (offers.get(socket) ?? 0) + 1;
  offers.set(socket, count);
  if (count > MAX_OFFERS) return void socket.destroy();
  const dropped = count < MAX_OFFERS ? ['upgrade'] : ['upgrade', 'connection'];
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method ?? ''} ${url ?? ''} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!dropped.includes(name.toLowerCase())) lines.push(`${name}: ${value}`);
  }
  if (count === MAX_OFFERS) lines.push('Connection: close');
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket);
}
