/** `npm run conformance-server -- --port 5100 [--node-id a] [--redis URL] [--prefix P]` */
import { parseArgs } from 'node:util';
import { startConformanceServer } from './server.ts';

const { port, 'node-id': nodeId, redis } = options();
if (redis !== undefined) fail('--redis is not available yet: this server is a cluster of its own.');

const server = await startConformanceServer({ port: Number(port), ...(nodeId === undefined ? {} : { nodeId }) }).catch((error: unknown) =>
  fail(String(error)),
);
process.stdout.write(`${JSON.stringify({ url: server.url, nodeId: server.nodeId })}\n`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close().then(() => process.exit(0)));

function options() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ options: { port: { ...text, default: '5100' }, 'node-id': text, redis: text, prefix: text } }).values;
  } catch (error) {
    return fail(String(error));
  }
}

function fail(why: string): never {
  process.stderr.write(`conformance-server: ${why}\n`);
  process.exit(1);
}
