/** The server that is flooded. Reports its largest heap. */
import { setInterval } from 'node:timers';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { handleRequests } from '../child.mjs';

const contract = defineHub('flood', { asking: { uploads: 1 } });
const server = createHubServer();
let peakBytes = 0;
server.hub(contract, {
  path: '/flood',
  methods: {
    echo: async (_ctx, value) => value,
    hit: async () => undefined,
    slow: () => new Promise(() => undefined),
    asking: async (ctx) => ctx.clients.caller.invoke.confirm(),
  },
});
const port = await server.listen(0, '127.0.0.1');
setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage().heapUsed)), 20);

handleRequests({
  port: () => port,
  peakMiB: () => Math.round(peakBytes / 2 ** 20),
});
