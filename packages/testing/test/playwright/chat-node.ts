/** The program of a node with a hub of ten lines. */
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { chat } from './chat.ts';

const [, port, , nodeId, , redis] = process.argv.slice(2);
const backplane = redisBackplane(redis, { heartbeatIntervalMs: 250, nodeTimeoutMs: 2000 });
const server = createHubServer({ backplane, ...(nodeId === undefined ? {} : { nodeId }) });
server.hub(chat, {
  path: '/chat',
  authenticate: ({ url }) => ({ userId: url.searchParams.get('name') ?? 'nobody' }),
  methods: {
    say: async ({ clients, userId }, text) => void (await clients.all.send.said(userId ?? '', text).confirmed),
    ask: async ({ clients }, question) => {
      const { items } = await clients.all.invokeAll.confirm(question);
      return items.filter((outcome) => outcome.status === 'fulfilled' && outcome.value).length;
    },
    count: async ({ hub }) => (await hub.presence.count()).value,
  },
});
await server.listen(Number(port), '127.0.0.1');
console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
