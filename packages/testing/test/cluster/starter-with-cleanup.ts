/** Starts a Redis, a proxy and a cluster, and disposes of all of them. Then nothing keeps the process alive, so it must end. */
import { startCluster, startProxy, startRedis } from '@hubline/testing/cluster';

const redis = await startRedis();
const link = await startProxy(redis.url);
const cluster = await startCluster({ nodes: 3, redis: link });
await Promise.all(cluster.nodes.map((node) => node.kill()));
for (const started of [link, cluster, redis]) await started[Symbol.asyncDispose]();
