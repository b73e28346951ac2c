import { parseArgs } from 'node:util';
import type { ConformanceServerOptions } from './server.ts';

/** What the command line says: `--port 5100 [--node-id a] [--redis URL] [--prefix P]`. @throws Error that says what is wrong */
export function optionsFrom(args: readonly string[]): ConformanceServerOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { port: { ...text, default: '5100' }, 'node-id': text, redis: text, prefix: text },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port must be a number from 0 to 65535, not "${values.port}".`);
  if (values.redis !== undefined) throw new Error('--redis is not available yet: this server is a cluster of its own.');
  return { port, ...(values['node-id'] === undefined ? {} : { nodeId: values['node-id'] }) };
}
