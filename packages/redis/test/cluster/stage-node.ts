/**
 * A node that speaks. `--hubs '{"chat":{"onUnavailable":"reject"}}'`: its hubs, each with a backplane of its own, the hub's name
 * being the prefix. `/chat?user=ann&side=left&groups=a,b` is a client.
 */
import { parseArgs } from 'node:util';
import { createHubServer, isHublineError } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { jsonCodec } from '@hubline/protocol';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { until } from '@hubline/testing';
import { stage, type StageEvent } from './stage.ts';

const text = { type: 'string', default: '' } as const;
const { values } = parseArgs({ options: { port: text, 'node-id': text, redis: text, hubs: { type: 'string', default: '{"stage":{}}' } } });
const nodeId = values['node-id'];
const server = createHubServer({
  nodeId,
  protocols: [jsonCodec, messagePack()],
  limits: { maxMessageBytes: 4 * 1024 * 1024, maxFrameBytes: 8 * 1024 * 1024 },
  detailedErrors: true,
});

for (const [name, options] of Object.entries(JSON.parse(values.hubs) as Record<string, RedisBackplaneOptions>)) {
  const events: StageEvent[] = [];
  const refused: number[] = [];
  let sent = 0;
  let settled = 0;
  let talking: NodeJS.Timeout | undefined;
  const note = (event: StageEvent['name'], what: unknown): void => void events.push({ name: event, sent, what });
  const nameOf = (error: unknown): string => (isHublineError(error) ? error.code : String(error));

  const backplane = redisBackplane(values.redis, { prefix: name, ...options });
  backplane.on('down', (cause) => note('down', nameOf(cause)));
  backplane.on('up', (outage) => note('up', outage));
  backplane.on('gap', (gap) => note('gap', gap));
  server.on('lost', (loss) => loss.hub === name && note('lost', loss.error.code));
  server.on('error', (at, error) => note('error', `${at}: ${nameOf(error)}`));
  server.on('nodeJoined', (node) => note('nodeJoined', node.nodeId));
  server.on('nodeLost', (node) => note('nodeLost', node.nodeId));

  const hub = server.hub(stage(name), {
    path: `/${name}`,
    backplane,
    attributes: { side: 'indexed' },
    authenticate: ({ url: { searchParams } }) => ({
      ...(searchParams.has('user') ? { userId: searchParams.get('user') ?? '' } : {}),
      attributes: { side: searchParams.get('side') ?? 'left' },
    }),
    async connected({ request, groups }) {
      for (const group of request.url.searchParams.getAll('group')) await groups.add(group);
    },
    methods: {
      async begin(_ctx, perSecond) {
        talking = setInterval(() => {
          const n = sent++;
          hub.clients.all.send
            .said(nodeId, n, Date.now())
            .confirmed.catch(() => refused.push(n))
            .finally(() => settled++);
        }, 1000 / perSecond);
      },
      async end() {
        clearInterval(talking);
        await until(() => settled === sent, { timeoutMs: 60_000 });
        return { sent, refused };
      },
      events: async () => events,
      join: (ctx, group) => ctx.groups.add(group),
      tell: (ctx, whom, what) => ctx.clients.matching(whom).send.told(what).confirmed,
      count: ({ hub: { presence } }, whom) => presence.count(whom),
    },
  });
}

await server.listen(Number(values.port), '127.0.0.1');
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${values.port}` })}\n`);
