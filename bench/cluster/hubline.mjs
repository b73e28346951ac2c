import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';

/** All clients of a measurement come from one address, at once. */
const LIMITS = {
  maxConnections: 1e6,
  maxConnectionsPerAddress: 1e6,
  maxConnectionsPerUser: 1e6,
  maxHandshakesPerSecond: 1e6,
  maxHandshakesPerSecondPerAddress: 1e6,
};

export async function start({ nodeId, port: redisPort }) {
  const server = createHubServer({ nodeId, backplane: redisBackplane({ port: redisPort }), limits: LIMITS });
  const hub = server.hub(defineHub('bench'), { path: '/bench', methods: {} });
  const port = await server.listen(0);
  return {
    port,
    list: async () => (await hub.presence.connections(undefined, { select: [], limit: 10_000 })).items.length,
    count: async () => (await hub.presence.count()).value,
  };
}
