import { openHttpPipe, type HttpOptions, type Port } from './http-pipe.ts';
import type { Transport } from './transport.ts';

/**
 * Long polling: a request that the server holds until it has something to say, again and again. It passes every proxy,
 * and carries bytes. There are no pings: a request is answered, or it is not.
 */
export function longPolling(options: HttpOptions = {}): Transport {
  return { name: 'LongPolling', open: (request) => openHttpPipe(request, { ...options, run, polls: true }) };
}

async function run({ get, opened, receive }: Port): Promise<void> {
  for (;;) {
    const bytes = await get({}, async (response) => response.status !== 204 && new Uint8Array(await response.arrayBuffer()));
    if (!bytes) return;
    // The first answer is empty, and says that the connection is there.
    opened();
    if (bytes.length > 0) receive(bytes);
  }
}
