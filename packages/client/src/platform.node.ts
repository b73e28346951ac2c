import { HublineError } from '@hubline/protocol';
import { refusal, type RefusalDetails } from './refusal.ts';
import type { Network, OpenRequest } from './transport.ts';

/** A test compares it with package.json. */
const VERSION = '0.1.0';

/** `X-Requested-With` as in browsers, and the header in which SignalR clients name themselves. */
export const COMMON_HEADERS = { 'X-Requested-With': 'XMLHttpRequest', 'X-SignalR-User-Agent': `Hubline/${VERSION}` };

/**
 * Creates a WebSocket in Node: that of the package `ws` if it is installed, because it reports why a server refused; otherwise Node's own,
 * which exists from Node 22 on.
 */
export async function createSocket(url: URL, { WebSocket }: OpenRequest, headers: Readonly<Record<string, string>>): Promise<WebSocket> {
  const Socket = WebSocket ?? (await findSocket());
  return new Socket(url.href, { headers } as never);
}

/** The members that `ws` has beyond a browser's WebSocket. Node's own has none of them. */
interface NodeSocket {
  on(event: 'unexpected-response', listener: (request: unknown, response: NodeResponse) => void): void;
  on(event: 'ping' | 'pong', listener: () => void): void;
  ping(): void;
  terminate(): void;
}
interface NodeResponse {
  readonly statusCode?: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  on(event: 'data' | 'end' | 'error', listener: (chunk: unknown) => void): void;
}
const nodeSocket = (socket: WebSocket): NodeSocket | undefined =>
  'ping' in socket && socket.ping ? (socket as unknown as NodeSocket) : undefined;

/** How many characters of a refusal are read. */
const MAX_TEXT_LENGTH = 1_000;

/** Returns a function that creates the error for a WebSocket that did not open. `ws` reports the response of a server that refused. */
export function openErrorOf(socket: WebSocket, url: URL): () => HublineError {
  let message = '';
  let refused: RefusalDetails = {};
  socket.onerror = (event) => {
    message ||= (event as Partial<ErrorEvent>).message ?? '';
  };
  const ws = nodeSocket(socket);
  ws?.on('unexpected-response', (_request, response) => {
    const { statusCode: status, headers } = response;
    message = `Unexpected status code '${status}'.`;
    let text = '';
    const end = (): void => {
      refused = { status, headers: { get: (name) => (headers[name] === undefined ? null : String(headers[name])) }, text };
      ws.terminate();
    };
    response.on('data', (chunk) => {
      text += String(chunk);
      if (text.length > MAX_TEXT_LENGTH) end();
    });
    response.on('end', end);
    response.on('error', end);
  });
  return () => refusal(`The WebSocket did not open. ${message}`, { url, ...refused });
}

/** Returns a function that sends a WebSocket ping, or undefined without `ws`. `received` is called at each ping and pong. */
export function pingOf(socket: WebSocket, received: () => void): (() => void) | undefined {
  const ws = nodeSocket(socket);
  ws?.on('ping', received);
  ws?.on('pong', received);
  return ws && (() => ws.ping());
}

async function findSocket(): Promise<NonNullable<Network['WebSocket']>> {
  try {
    const ws = await import('ws');
    return ws.WebSocket ?? ws.default;
  } catch (cause) {
    if (globalThis.WebSocket) return globalThis.WebSocket;
    throw new HublineError(
      'invalid_option',
      'This Node has no WebSocket. Install the package "ws", or pass one as the option WebSocket.',
      { option: 'WebSocket' },
      { cause },
    );
  }
}
