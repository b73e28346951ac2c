import { memoryBackplane } from '@hubline/server';
import { createNode } from './node.ts';
import { NodeProcess } from './node-process.ts';
import type { Launch } from './running-node.ts';

/** Launches nodes in this process, joined by the memory backplane. */
export function launchInMemory(): Launch {
  const backplane = memoryBackplane();
  return async ({ port, host, ...options }) => {
    const node = createNode({ ...options, backplane });
    try {
      const actualPort = await node.listen(port, host);
      return {
        port: actualPort,
        get isRunning() {
          return node.health().status !== 'closed';
        },
        stop: () => node.close(),
      };
    } catch (error) {
      await node.close();
      throw error;
    }
  };
}

/** Launches nodes in processes of their own, joined by Redis. */
export function launchOnRedis(redis: string): Launch {
  return (options) => NodeProcess.start({ ...options, redis });
}
