/**
 * Starts three nodes and the page, and prints their addresses. `--redis [URL]`: each node is a process, joined by that Redis, or by a new
 * one. `--dev`: Vite serves the page from its sources and reloads it after a change.
 */
import { fileURLToPath } from 'node:url';
import { programs } from '../scripts/programs.mjs';
import { stopSignal } from '../scripts/stop-signal.mjs';
import { build, buildPackages, buildTestKit } from './build.mjs';

const isDev = process.argv.includes('--dev');
const redis = redisOption(process.argv.slice(2));
const program = redis === true ? (await programs(['redis-server']))['redis-server'] : undefined;
console.log('Building the playground …');
await (isDev ? buildPackages() : build());

const server = program && (await ownRedis());
const { files, startPlayground } = await import('./build/cluster/index.js');
const playground = await startPlayground({
  page: isDev ? devPage : builtPage,
  port: Number(process.env.PORT ?? 4000),
  redis: server ? server.url : redis,
  report: console.log,
}).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
const { url, cluster } = playground;
console.log(`
  Hubline playground   ${url}
  with a script tag    ${url}/script-tag.html

${cluster.map.nodes.map(({ nodeId, port }) => `  ${nodeId} on port ${port}`).join('\n')}${server ? `\n  redis at ${server.url}` : ''}

  Open the page in several tabs. Ctrl+C stops everything.
`);

await stopSignal();
console.log('Stopping …');
await playground.close();
await server?.[Symbol.asyncDispose]();
process.exit(0);

/** Returns the URL after `--redis`, true without a URL, or undefined without the option. */
function redisOption(args) {
  const at = args.findIndex((arg) => arg === '--redis' || arg.startsWith('--redis='));
  if (at < 0) return undefined;
  const given = args[at].slice('--redis='.length) || args[at + 1];
  return given === undefined || given.startsWith('--') ? true : given;
}

async function ownRedis() {
  buildTestKit();
  const { startRedis } = await import('@hubline/testing/cluster');
  return startRedis({ program });
}

async function builtPage() {
  return files(fileURLToPath(new URL('./dist', import.meta.url)));
}

async function devPage(server) {
  const { createServer } = await import('vite');
  const root = fileURLToPath(new URL('.', import.meta.url));
  const vite = await createServer({ root, appType: 'spa', server: { middlewareMode: true, hmr: { server } } });
  return vite.middlewares;
}
