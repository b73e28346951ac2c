import { checkDurations } from '#diagnostics';
import { readBody } from './response-body.ts';
import { openHttpPipe, type HttpOptions, type HttpReceiver } from './http-pipe.ts';
import type { Transport } from './transport.ts';

/** The largest response to a poll, as a multiple of the largest message: a response may hold several messages. */
const MESSAGES_PER_POLL = 4;

/**
 * Long polling: the client sends one request after another, and the server answers each when it has messages. Works through every proxy,
 * and carries bytes. There are no pings: a request that gets no response ends the connection.
 */
export function longPolling(options: HttpOptions = {}): Transport {
  checkDurations(options);
  return {
    name: 'LongPolling',
    open: (request) => openHttpPipe(request, { ...options, run: (port) => run(port, request.maxMessageBytes), polls: true }),
  };
}

async function run({ get, opened, receive }: HttpReceiver, maxMessageBytes: number): Promise<void> {
  for (;;) {
    const body = await get({}, async (response) => response.status !== 204 && readBody(response, maxMessageBytes * MESSAGES_PER_POLL));
    if (!body) return;
    const bytes = new Uint8Array(await body.arrayBuffer());
    // The first response is empty: it confirms that the connection is open.
    opened();
    if (bytes.length > 0) receive(bytes);
  }
}
