import { HublineError } from '@hubline/protocol';
import type { Network, OpenRequest } from './transport.ts';

/** In Node: `ws` where it is installed, for it tells why a server refused; otherwise Node's own, from Node 22 on. */
export async function createSocket(url: URL, { token, headers, WebSocket }: OpenRequest): Promise<WebSocket> {
  const Socket = WebSocket ?? (await findSocket());
  const all = { ...headers, ...(token && { Authorization: `Bearer ${token}` }) };
  return new Socket(url.href, { headers: all } as never);
}

async function findSocket(): Promise<NonNullable<Network['WebSocket']>> {
  try {
    return (await import('ws')).WebSocket;
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
