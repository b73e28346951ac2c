import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asError, HublineError, isHublineError, type ErrorCode } from '@hubline/protocol';

/** The refusal of a request: status, text, and Hubline's code in a header that other clients ignore. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly code?: ErrorCode;
  /** Seconds until a retry makes sense. */
  readonly retryAfterS?: number;
}

/** The statuses that SignalR's clients expect, by error code. All other errors are server errors: 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  invalid_message: 400,
  unauthorized: 401,
  forbidden: 403,
  connection_gone: 404,
  wrong_node: 404,
  already_connected: 409,
  cancelled: 499, // for logs only: the client has disconnected
  shutdown: 503,
};

/** A refusal, thrown to the code that answers the request. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.text, options);
    this.refusal = refusal;
  }
}

/** Returns the refusal for an error, or undefined for one that is not meant for the client. Never throws, whatever user code threw. */
export function refusalFor(thrown: unknown): Refusal | undefined {
  const error = asError(thrown);
  if (error instanceof Refused) return error.refusal;
  const status = isHublineError(error) ? STATUS[error.code] : undefined;
  return isHublineError(error) && status !== undefined ? { status, text: error.message, code: error.code } : undefined;
}

export const FAILED: Refusal = { status: 500, text: 'The server failed to answer.', code: 'internal' };

export const gone = (): HublineError<'connection_gone'> =>
  new HublineError('connection_gone', 'No Connection with that ID', { connectionId: '' });

export function refuse(response: ServerResponse, refusal: Refusal, headers: Record<string, string> = {}): void {
  const { status, text } = refusal;
  if (status === 503) response.shouldKeepAlive = false; // a stopping node would wait for the connection to be idle
  response.writeHead(status, {
    ...headers,
    ...headersOf(refusal),
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
  });
  response.end(text);
}

/** Refuses an upgrade. It has no response object, so the answer is written to the socket, which is then closed. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  if (socket.writableEnded) return;
  const { status, text } = refusal;
  socket.on('error', () => socket.destroy()); // Node leaves an upgraded socket without a listener: a reset would end the process
  socket.once('finish', () => socket.destroy());
  const headers: Record<string, string | number> = {
    connection: 'close',
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headersOf(refusal),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`);
}

export function headersOf({ status, code, retryAfterS }: Refusal): Record<string, string> {
  return {
    ...(code ? { 'hubline-code': code } : {}),
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}), // RFC 9110, 15.5.2
    ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
  };
}
