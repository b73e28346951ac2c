import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { isHublineError, type ErrorCode } from '@hubline/protocol';

/** How a request is refused: status, text, and our code in a header that other clients ignore. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly code?: ErrorCode;
}

/** Errors that a client may know, by the status that SignalR's clients expect. Everything else is our fault: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  invalid_message: 400,
  unauthorized: 401,
  forbidden: 403,
  connection_gone: 404,
  wrong_node: 404,
  already_connected: 409,
  shutdown: 503,
};

/** A refusal on its way to whoever answers the request. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.text, options);
    this.refusal = refusal;
  }
}

export function refusalFor(error: unknown): Refusal | undefined {
  if (error instanceof Refused) return error.refusal;
  const status = isHublineError(error) ? STATUS[error.code] : undefined;
  return isHublineError(error) && status !== undefined ? { status, text: error.message, code: error.code } : undefined;
}

export const FAILED: Refusal = { status: 500, text: 'The server failed to answer.', code: 'internal' };

export function refuse(response: ServerResponse, { status, text, code }: Refusal, headers: Record<string, string> = {}): void {
  if (status === 503) response.shouldKeepAlive = false; // a node that goes away would wait for the connection to be idle
  response.writeHead(status, { ...headers, ...codeHeader(code), 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  response.end(text);
}

/** An upgrade has no response object: the answer is written by hand, and the socket is closed, whatever the peer does. */
export function refuseUpgrade(socket: Duplex, { status, text, code }: Refusal): void {
  if (socket.writableEnded) return;
  socket.on('error', () => socket.destroy()); // Node leaves an upgraded socket without a listener: a reset would end the process
  socket.once('finish', () => socket.destroy());
  const headers: Record<string, string | number> = {
    connection: 'close',
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...codeHeader(code),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`);
}

const codeHeader = (code: ErrorCode | undefined): Record<string, string> => (code ? { 'hubline-code': code } : {});
