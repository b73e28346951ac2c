import { HublineError } from '@hubline/protocol';
import { refusal, type Refused } from './refusal.ts';
import type { Network, OpenRequest } from './transport.ts';

/** Compared with package.json by a test. */
const VERSION = '0.1.0';

/** The first as in browsers; the second says who we are. */
export const COMMON_HEADERS = { 'X-Requested-With': 'XMLHttpRequest', 'X-SignalR-User-Agent': `Hubline/${VERSION}` };

/** In Node: `ws` where it is installed, for it tells why a server refused; otherwise Node's own, from Node 22 on. */
export async function createSocket(url: URL, { WebSocket }: OpenRequest, headers: Readonly<Record<string, string>>): Promise<WebSocket> {
  const Socket = WebSocket ?? (await findSocket());
  return new Socket(url.href, { headers } as never);
}

/** What `ws` has beyond the browser's WebSocket; Node's own has none of it. */
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

/** How much of a refusal is read. */
const MAX_TEXT_LENGTH = 1_000;

/** Why a WebSocket did not open: `ws` tells the answer of a server that refused. */
export function failureOf(socket: WebSocket, url: URL): () => HublineError {
  let message = '';
  let refused: Refused = {};
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

/** Sends a ping of the WebSocket itself, which every server answers, whatever it speaks; `heard` runs at each ping and pong. */
export function pingOf(socket: WebSocket, heard: () => void): (() => void) | undefined {
  const ws = nodeSocket(socket);
  ws?.on('ping', heard);
  ws?.on('pong', heard);
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
