import { createHubServer, defineHub } from '@hubline/server';

/** All clients of a measurement come from one address, at once. */
const LIMITS = { maxConnections: 1e6, maxConnectionsPerAddress: 1e6, maxConnectionsPerUser: 1e6, maxHandshakesPerSecond: 1e6 };

export async function start() {
  const server = createHubServer({ nodeId: 'bench', limits: LIMITS });
  const hub = server.hub(defineHub('bench'), {
    path: '/bench',
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0);
  return { port, broadcast: (value) => hub.clients.all.send.m(value) };
}
