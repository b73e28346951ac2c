import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A free port of 127.0.0.1 that stays free while whoever has it is down for a while: below those that systems give to
 * outgoing connections (32768 on Linux, 49152 elsewhere). Another one is tried each time, so that a collision is rare.
 */
export async function steadyPort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST));
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
const END = 32_768;

/**
 * Starts something on a port, and on another one where that was taken meanwhile.
 * @throws Error what `start` threw, where its message does not say that the port was taken, or says so for the third time
 */
export async function onSteadyPort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await steadyPort());
    } catch (error) {
      if (attempt === 3 || !/EADDRINUSE|Address already in use/i.test(String(error))) throw error;
    }
  }
}
