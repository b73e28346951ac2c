/** Starts two Redis servers and a cluster, prints their process ids, and never cleans up. */
import { startCluster, startRedis } from '@hubline/testing/cluster';

const redis = await startRedis();
const paused = await startRedis({ name: 'paused' });
const cluster = await startCluster({ nodes: 2, entry: new URL('./fake-node.ts', import.meta.url), redis });
paused.pause();
cluster.nodes[0]?.freeze();
const pids = [redis.pid, paused.pid, ...cluster.nodes.flatMap(({ pid, announcement }) => [pid, announcement.child])];
console.log(JSON.stringify({ pids, folder: cluster.nodes[1]?.announcement.folder }));
if (process.argv.includes('--end')) process.exit(0);
