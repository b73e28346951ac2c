/** A node of the application `dashboard`. It accepts no devices, and can call every device in the cluster. */
import { createHubServer, isHublineError } from '@hubline/server';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { backplaneAt } from './backplane.ts';
import { devices } from './contract.ts';
import { Fleet } from './fleet.ts';
import { HOST, nodeOptions, serve } from './node-options.ts';

const { port, nodeId, redis } = nodeOptions();
const server = createHubServer({ nodeId, app: 'dashboard', accept: false, backplane: backplaneAt(redis) });
const hub = server.hub(devices); // without options: other nodes accept its clients, and this node calls them
const fleet = new Fleet();
const page = await readFile(new URL('../dashboard.html', import.meta.url));

const http = createServer((request, response) => {
  respond(request, response).catch((error: unknown) => {
    const code = isHublineError(error) ? error.code : 'internal';
    json(response, 502, { code, message: String(error) });
  });
});

async function respond({ method, url = '/', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, device] = /^\/devices\/([^/]+)\/reboot$/.exec(url) ?? [];
  if (method === 'GET' && url === '/') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  } else if (method === 'GET' && url === '/fleet.json') {
    json(response, 200, { nodes: (await server.nodes()).items, online: fleet.online, departures: fleet.departures });
  } else if (method === 'POST' && device) {
    if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) return json(response, 403, {}); // another site
    const { reboot } = hub.clients.user(decodeURIComponent(device)).with({ timeoutMs: 10_000 }).invokeOne;
    json(response, 200, await reboot(`requested at ${nodeId}`));
  } else {
    json(response, 404, {});
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

await server.ready();
const following = fleet.follow(hub);
http.listen(port, HOST);
await once(http, 'listening');
serve(port, async () => {
  http.close();
  http.closeAllConnections();
  await server.close();
});
await following;
