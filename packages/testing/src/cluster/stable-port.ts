import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A free port of 127.0.0.1 that stays free while whoever has it is down for a while: below those that systems give to
 * outgoing connections (32768 on Linux, 49152 elsewhere). Each process takes its own part of them in turn, so that a port is not given to
 * another one meanwhile.
 */
export async function stablePort(): Promise<number> {
  for (;;) {
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
}

const FIRST = 20_000;
const PARTS = 32;
const PART = Math.floor((32_768 - FIRST) / PARTS);
let next = Math.floor(Math.random() * PART);

/**
 * Starts something on a port, and on another one where that was taken meanwhile.
 * @throws Error what `start` threw, where its message does not say that the port was taken, or says so for the third time
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
