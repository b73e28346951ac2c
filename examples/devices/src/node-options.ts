import { parseArgs } from 'node:util';

/** This machine only: the example has no authentication, and every user may reboot a device. */
export const HOST = '127.0.0.1';

export interface NodeOptions {
  readonly port: number;
  readonly nodeId: string;
  readonly redis: string;
}

/** Reads the arguments of a node: `--port P --node-id I --redis URL`. */
export function nodeOptions(): NodeOptions {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'node-id': { type: 'string', default: '' },
      redis: { type: 'string', default: 'redis://127.0.0.1:6379' },
    },
  });
  return { port: Number(values.port), nodeId: values['node-id'], redis: values.redis };
}

/** Prints the URL when the node is ready, and closes the node at a signal. The process then ends. */
export function serve(port: number, close: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close());
  console.log(JSON.stringify({ url: `http://${HOST}:${port}` }));
}
