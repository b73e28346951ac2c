/** Starts three nodes and the page, and says where. `--dev`: the page is not built, and follows its sources. */
import { fileURLToPath } from 'node:url';
import { build, buildPackages } from './build.mjs';

const isDev = process.argv.includes('--dev');
console.log('Building the playground …');
await (isDev ? buildPackages() : build());

const { files, startPlayground } = await import('./build/cluster/index.js');
const playground = await startPlayground({
  page: isDev ? devPage : builtPage,
  port: Number(process.env.PORT ?? 4000),
  report: console.log,
});
const { url, cluster } = playground;
console.log(`
  Hubline playground   ${url}
  with a script tag    ${url}/script-tag.html

${cluster.map.nodes.map(({ nodeId, port }) => `  ${nodeId} on port ${port}`).join('\n')}

  Open the page in several tabs. Ctrl+C stops everything.
`);

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop());

async function stop() {
  if (stopping) process.exit(130); // asked twice: at once
  stopping = true;
  console.log('Stopping …');
  await playground.close();
  process.exit(0);
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
