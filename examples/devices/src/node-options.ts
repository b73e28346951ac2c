import { parseArgs } from 'node:util';

/** Local only: nobody needs a password here, and everybody may reboot a device. */
export const HOST = '127.0.0.1';

export interface NodeOptions {
  readonly port: number;
  readonly nodeId: string;
  readonly redis: string;
}

/** `--port P --node-id I --redis URL`, as both kinds of nodes take them. */
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

/** Says that the node is ready, and closes it on a signal. The process ends by itself: nothing is left that keeps it. */
export function serve(port: number, close: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close());
  console.log(JSON.stringify({ url: `http://${HOST}:${port}` }));
}
