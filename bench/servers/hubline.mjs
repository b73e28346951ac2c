import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';

/** All clients of a measurement come from one address, at once. */
const LIMITS = {
  maxConnections: 1e6,
  maxConnectionsPerAddress: 1e6,
  maxConnectionsPerUser: 1e6,
  maxHandshakesPerSecond: 1e6,
  maxHandshakesPerSecondPerAddress: 1e6,
};
/** A raw client calls faster than one connection may. */
const RATES = { maxMessagesPerSecond: 1e9, maxBytesPerSecond: 1e12 };

export async function start() {
  const server = createHubServer({ nodeId: 'bench', limits: { ...LIMITS, ...RATES } });
  const hub = server.hub(defineHub('bench'), {
    path: '/bench',
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0);
  return { port, broadcast: (value) => hub.clients.all.send.m(value) };
}
