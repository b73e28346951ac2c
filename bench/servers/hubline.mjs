import { defineHub } from '@hubline/protocol';
import { redisBackplane } from '@hubline/redis';
import { createHubServer } from '@hubline/server';
import { EACH, groupsOf } from '../groups.mjs';
import { UNLIMITED } from './limits.mjs';

export async function start({ port, redisPort, nodeId = 'bench' }) {
  const server = createHubServer({
    nodeId,
    limits: UNLIMITED,
    ...(redisPort !== undefined && { backplane: redisBackplane({ port: redisPort }) }),
  });
  const hub = server.hub(defineHub('bench'), {
    path: '/bench',
    methods: { echo: async (_ctx, value) => value },
  });
  const members = server.hub(defineHub('members'), {
    path: '/members',
    attributes: { role: 'plain' },
    authenticate: ({ url }) => ({ userId: url.searchParams.get('user'), attributes: { role: 'editor' } }),
    connected: (ctx) => Promise.all([ctx.groups.add('lobby'), ctx.groups.add('news')]).then(() => undefined),
    methods: {},
  });
  let joined = 0;
  const grouped = server.hub(defineHub('groups'), {
    path: '/groups',
    authenticate: ({ url }) => ({ userId: url.searchParams.get('user') }),
    connected: async (ctx) => {
      await Promise.all(groupsOf(ctx.userId).map((name) => ctx.groups.add(name)));
      joined += EACH;
    },
    methods: {},
  });
  const { presence } = members;
  return {
    port: await server.listen(port, '127.0.0.1'),
    broadcast: (value) => hub.clients.all.send.m(value),
    toGroup: (name, value) => grouped.clients.group(name).send.m(value),
    joined: () => joined,
    listIds: async () => (await presence.connections(undefined, { select: [], limit: 10_000 })).items.length,
    list: async () =>
      (await presence.connections(undefined, { select: ['connectionId', 'userId', 'attributes'], limit: 10_000 })).items.filter(
        ({ userId, attributes }) => userId?.startsWith('user-') && attributes.role === 'editor',
      ).length,
    count: async () => (await presence.count()).value,
    invokeAll: async () => {
      const { items } = await members.clients.all.invokeAll.confirm();
      return items.filter(({ value }) => value === true).length;
    },
    close: () => server.close(),
  };
}
