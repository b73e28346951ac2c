import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { UNLIMITED } from './limits.mjs';

export async function start() {
  const server = createHubServer({ nodeId: 'bench', limits: UNLIMITED });
  const hub = server.hub(defineHub('bench'), {
    path: '/bench',
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0, '127.0.0.1');
  return { port, broadcast: (value) => hub.clients.all.send.m(value) };
}
