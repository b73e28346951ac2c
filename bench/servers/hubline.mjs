import { createHubServer, defineHub } from '@hubline/server';

export async function start() {
  const server = createHubServer({ nodeId: 'bench' });
  const hub = server.hub(defineHub('bench'), {
    path: '/bench',
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0);
  return { port, broadcast: (value) => hub.clients.all.send.m(value) };
}
