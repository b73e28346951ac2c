import type { Server } from 'node:http';
import type { Http2SecureServer, Http2Server } from 'node:http2';
import { invalidOption } from '@hubline/protocol';

/**
 * A server of `node:http`, `node:https` or `node:http2`, as frameworks provide them. HTTP/2 has no upgrades, so WebSockets
 * need HTTP/1.1 beside it: `http2.createSecureServer({ allowHTTP1: true })`.
 */
export type HttpServer = Server | Http2Server | Http2SecureServer;

export interface AttachOptions {
  /**
   * When the HTTP server is closed: the longest time for calls, streams and invocations of its connections to end. Default 5000.
   */
  readonly graceMs?: number | undefined;
}

/** @throws HublineError `invalid_option` for applications of frameworks, which have a server or make one: Express, Koa, Fastify, Nest, Hono */
export function checkedHttpServer(given: unknown): HttpServer {
  const server = (given ?? {}) as Partial<Record<'emit' | 'listen' | 'close', unknown>>;
  const isServer = [server.emit, server.listen, server.close].every((method) => typeof method === 'function');
  if (isServer) return given as HttpServer;
  throw invalidOption(
    'server',
    'must be an HTTP server of Node, not an application: docs/guides/frameworks.md shows where frameworks have theirs',
  );
}
