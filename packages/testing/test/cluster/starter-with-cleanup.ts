/** Starts all there is, with a link that may break, and cleans up: nothing is left that would keep it from ending. */
import { startCluster, startProxy, startRedis } from '@hubline/testing/cluster';

const redis = await startRedis();
const link = await startProxy(redis.url);
const cluster = await startCluster({ nodes: 3, redis: link });
await Promise.all(cluster.nodes.map((node) => node.kill()));
for (const started of [link, cluster, redis]) await started[Symbol.asyncDispose]();
