import { checkDurations } from '#diagnostics';
import { bodyOf } from './body.ts';
import { openHttpPipe, type HttpOptions, type Port } from './http-pipe.ts';
import type { Transport } from './transport.ts';

/** An answer may hold many messages. */
const MESSAGES_A_POLL = 4;

/**
 * Long polling: a request that the server holds until it has something to say, again and again. It passes every proxy,
 * and carries bytes. There are no pings: a request is answered, or it is not.
 */
export function longPolling(options: HttpOptions = {}): Transport {
  checkDurations(options);
  return {
    name: 'LongPolling',
    open: (request) => openHttpPipe(request, { ...options, run: (port) => run(port, request.maxMessageBytes), polls: true }),
  };
}

async function run({ get, opened, receive }: Port, maxMessageBytes: number): Promise<void> {
  for (;;) {
    const body = await get({}, async (response) => response.status !== 204 && bodyOf(response, maxMessageBytes * MESSAGES_A_POLL));
    if (!body) return;
    const bytes = new Uint8Array(await body.arrayBuffer());
    // The first answer is empty, and says that the connection is there.
    opened();
    if (bytes.length > 0) receive(bytes);
  }
}
