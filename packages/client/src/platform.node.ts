import { HublineError } from '@hubline/protocol';
import { refusal } from './refusal.ts';
import { headersFor } from './request.ts';
import type { Network, OpenRequest } from './transport.ts';

/** In Node: `ws` where it is installed, for it tells why a server refused; otherwise Node's own, from Node 22 on. */
export async function createSocket(url: URL, request: OpenRequest): Promise<WebSocket> {
  const Socket = request.WebSocket ?? (await findSocket());
  return new Socket(url.href, { headers: headersFor(request) } as never);
}

/** Why a WebSocket did not open: `ws` puts the HTTP status of a refusal at the end of its message. */
export function failureOf(socket: WebSocket): () => HublineError {
  let message = '';
  socket.onerror = (event) => {
    message = (event as Partial<ErrorEvent>).message ?? '';
  };
  return () => {
    const status = / (\d{3})$/.exec(message)?.[1];
    return refusal(`The WebSocket did not open. ${message}`, { status: status ? Number(status) : undefined });
  };
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
