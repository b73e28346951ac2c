import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defineHub } from '@hubline/protocol';
import { createHubServer, isHublineError, jsonCodec } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { expect, vi } from 'vitest';
import { z } from 'zod';
import { RawClient } from '../raw-client.ts';
import { TestClock } from '../test-clock.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  count(to: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
}
const contract = defineHub<Calls>('fuzz', { count: 'stream', sum: { uploads: 1 } });

export const NODE_ID = 'node-1';
export const MAX_MESSAGE_BYTES = 32 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Starts a server for the cases, and a well-behaved client as a witness. */
export type FuzzWorld = Awaited<ReturnType<typeof openWorld>>;

export async function openWorld() {
  const clock = new TestClock();
  // The clock stands still and all requests have one address, so the rate limits are off.
  const limits = { maxConnections: 1e9, maxConnectionsPerAddress: 1e9, maxHandshakesPerSecond: 1e9, maxHandshakesPerSecondPerAddress: 1e9 };
  const server = createHubServer({ nodeId: NODE_ID, protocols: [jsonCodec, messagePack()], timeouts: { closeMs: 1000 }, limits }, clock);
  const errors: unknown[] = [];
  // Refused origins are reported, and are no failure.
  server.on('error', (...error) => (isHublineError(error[1]) && error[1].code === 'forbidden') || errors.push(error));
  server.hub(contract, {
    path: '/hub',
    args: { sum: z.tuple([]) }, // otherwise an argument could take the place of the stream
    methods: {
      echo: async (_ctx, value) => value,
      async *count(_ctx, to) {
        for (let i = 0; i < (typeof to === 'number' ? Math.min(to, 5) : 0); i++) yield i;
      },
      async sum(_ctx, numbers) {
        let sum = 0;
        for await (const _ of numbers) sum++;
        return sum;
      },
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  const witness = await RawClient.open(port);
  let called = 0;
  /** Checks that the witness is served on its socket, and that the server reported no error. */
  const serves = async (): Promise<void> => {
    witness.frames.length = 1;
    expect((await witness.call('echo', ++called)).result).toBe(called);
    expect(errors).toEqual([]);
  };
  /** Checks that all connections but the witness and `others` are released, and returns the bytes in use. */
  const settled = async (others = 0): Promise<number> => {
    await serves();
    if (others === 0) await clock.advance(20_000); // ends unopened sessions and clients that do not poll again
    await expect.poll(() => server.health().connections, { timeout: 30_000 }).toBe(1 + others);
    expect(clock.size).toBeLessThanOrEqual(1); // the heartbeat
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const close = async (): Promise<void> => {
    await witness[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(server.health().connections).toBe(0));
    await clock.advance(20_000);
    expect(clock.size).toBe(0); // no client is remembered, so there is no timer
    await server.close();
  };
  return { server, clock, port, url: `http://127.0.0.1:${port}/hub`, serves, settled, close };
}
