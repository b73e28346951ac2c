import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { UNLIMITED } from '../servers/limits.mjs';

export async function start({ nodeId, port: redisPort }) {
  const server = createHubServer({ nodeId, backplane: redisBackplane({ port: redisPort }), limits: UNLIMITED });
  const hub = server.hub(defineHub('bench'), { path: '/bench', methods: {} });
  const port = await server.listen(0, '127.0.0.1');
  return {
    port,
    list: async () => (await hub.presence.connections(undefined, { select: [], limit: 10_000 })).items.length,
    count: async () => (await hub.presence.count()).value,
  };
}
