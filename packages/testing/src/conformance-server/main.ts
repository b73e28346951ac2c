/** `npm run conformance-server -- --port 5100 [--node-id a] [--redis URL] [--prefix P]` */
import { optionsFrom } from './options.ts';
import { startConformanceServer } from './server.ts';

try {
  const server = await startConformanceServer(optionsFrom(process.argv.slice(2)));
  process.stdout.write(`${JSON.stringify({ url: server.url, nodeId: server.nodeId })}\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void server.close().then(() => process.exit(0)));
} catch (error) {
  process.stderr.write(`conformance-server: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
