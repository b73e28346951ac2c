/**
 * Starts three nodes of the service, two of the dashboard and six devices, on the Redis of the given URL or a new one. The test kit runs
 * the nodes from their sources. They end with this process.
 */
import { startCluster, startRedis } from '@hubline/testing/cluster';
import { programs } from '../../scripts/programs.mjs';
import { stopSignal } from '../../scripts/stop-signal.mjs';
import { SimulatedDevice } from './src/simulated-device.ts';

const SITES = ['berlin', 'porto'];
const [url] = process.argv.slice(2);
const redis = url ? { url } : await startRedis({ program: (await programs(['redis-server']))['redis-server'] });
const sources = ['--conditions=hubline-source', `--import=${new URL('../../scripts/typescript-loader.mjs', import.meta.url)}`];
const application = (name, nodes) =>
  startCluster({
    nodes,
    entry: new URL(`./src/${name}-node.ts`, import.meta.url),
    redis,
    execArgv: sources,
    args: (index) => ['--node-id', `${name}-${index + 1}`],
  });
console.log('Starting …');
const service = await application('devices', 3);
const dashboard = await application('dashboard', 2);
const devices = Array.from({ length: 6 }, (_, index) => {
  const { url: node } = service.nodes[index % service.nodes.length];
  const id = `boiler-${index + 1}`;
  return new SimulatedDevice({ id, site: SITES[index % SITES.length], url: node, announced: (text) => console.log(`  ${id}: ${text}`) });
});
await Promise.all(devices.map((device) => device.start()));

console.log(`
${dashboard.nodes.map((node, index) => `  dashboard-${index + 1}   ${node.url}`).join('\n')}
${service.nodes.map((node, index) => `  devices-${index + 1}     process ${node.pid}`).join('\n')}

  Reboot a device. Kill a node of the service (kill -9 ${service.nodes[0].pid}): its devices leave the list.
  Send a text to a site:
    npm run announce -w @hubline/example-devices -- --redis ${redis.url} --site berlin "Doors close at six."
  Ctrl+C stops everything.
`);

await stopSignal();
await Promise.all(devices.map((device) => device[Symbol.asyncDispose]()));
await Promise.all([...dashboard.nodes, ...service.nodes].map((node) => node.stop()));
for (const started of [dashboard, service, redis]) await started[Symbol.asyncDispose]?.();
