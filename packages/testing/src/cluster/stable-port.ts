import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Finds a free port of 127.0.0.1 that stays free while its program is stopped: below the ports that systems use for outgoing
 * connections (from 32768 on Linux, from 49152 elsewhere). Each test process takes ports from its own range, so that no other one
 * takes the same port meanwhile.
 * @throws Error if no port of the range is free
 */
export async function stablePort(): Promise<number> {
  for (let attempt = 0; attempt < PART; attempt++) {
    const port = FIRST + (process.pid % PARTS) * PART + (next++ % PART);
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
  throw new Error(`None of the ${PART} ports of this process is free.`);
}

const FIRST = 20_000;
const PARTS = 32;
const PART = Math.floor((32_768 - FIRST) / PARTS);
let next = Math.floor(Math.random() * PART);

/**
 * Calls `start` with a port, and again with another one if the port was taken meanwhile.
 * @throws the error of `start` if it is not about a taken port, or after three attempts
 */
export async function onStablePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await stablePort());
    } catch (error) {
      if (attempt === 3 || !/EADDRINUSE|Address already in use/i.test(String(error))) throw error;
    }
  }
}
