import type { IncomingMessage } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { Socket } from 'node:net';
import type { HttpServer } from './http-server.ts';

/** Requests that were resumed. Several hub servers may be attached to one HTTP server, and each would resume them. */
const resumed = new WeakSet<IncomingMessage>();

/** The limit of upgrades that one socket may offer. For each the server adds its listeners again, and reads the following bytes again. */
const MAX_OFFERS = 4;
const offers = new WeakMap<Socket, number>();

/**
 * Ignores an upgrade, so that the request continues as HTTP/1.1. Node has detached the socket by then, so the request is put back in front
 * of the following bytes, without the offer, and the socket is given to the server as a new one. Node documents both. The answer to the
 * last allowed offer closes the socket.
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
