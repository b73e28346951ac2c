/** A node of the application `devices`, which accepts devices. */
import { createHubServer, hubError, unauthorized } from '@hubline/server';
import { backplaneAt } from './backplane.ts';
import { devices } from './contract.ts';
import { HOST, nodeOptions, serve } from './node-options.ts';

const { port, nodeId, redis } = nodeOptions();
const server = createHubServer({ nodeId, app: 'devices', backplane: backplaneAt(redis) });

server.hub(devices, {
  path: '/hubs/devices',
  attributes: { celsius: 'plain' },
  authenticate({ url }) {
    const device = url.searchParams.get('device'); // a real service would check a token
    if (!device) throw unauthorized('Which device?');
    return { userId: device };
  },
  async connected(ctx) {
    const site = ctx.request.url.searchParams.get('site');
    if (site) await ctx.groups.add(site);
  },
  methods: {
    async report(ctx, celsius) {
      if (typeof celsius !== 'number') throw hubError('A temperature is a number.'); // clients may send any value
      await ctx.hub.attributes.set(ctx.connectionId, 'celsius', celsius);
    },
  },
});

serve(await server.listen(port, HOST), () => server.close());
