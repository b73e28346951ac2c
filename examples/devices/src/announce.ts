/**
 * A job that sends a text to the devices of a site, or to one device, and ends. It needs the backplane and the contract, and accepts no
 * connections.
 */
import { createHubServer } from '@hubline/server';
import { parseArgs } from 'node:util';
import { backplaneAt } from './backplane.ts';
import { devices } from './contract.ts';

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  options: { redis: { ...text, default: 'redis://127.0.0.1:6379' }, site: text, device: text },
  allowPositionals: true,
});

const server = createHubServer({ app: 'announcements', accept: false, backplane: backplaneAt(values.redis, false) });
try {
  const { clients } = server.hub(devices);
  await server.ready(); // rejects if Redis is not available: a job cannot wait for it
  const target =
    values.site !== undefined ? clients.group(values.site)
    : values.device !== undefined ? clients.user(values.device)
    : clients.all;
  await target.send.announced(positionals.join(' ')).confirmed;
} finally {
  await server.close();
}
