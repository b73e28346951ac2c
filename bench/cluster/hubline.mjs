import { createHubServer, defineHub } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';

export async function start({ nodeId, port: redisPort }) {
  const server = createHubServer({ nodeId, backplane: redisBackplane({ port: redisPort }) });
  const hub = server.hub(defineHub('bench'), { path: '/bench', methods: {} });
  const port = await server.listen(0);
  return {
    port,
    list: async () => (await hub.presence.connections(undefined, { select: [], limit: 10_000 })).items.length,
    count: async () => (await hub.presence.count()).value,
  };
}
