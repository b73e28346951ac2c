import { createHubConnection, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubServer } from '@hubline/server';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';

const contract = defineHub<{ ping(): Promise<void> }>('sticky');

async function listening(server: HubServer): Promise<number> {
  server.hub(contract, { path: '/hub', methods: { ping: async () => undefined } });
  return server.listen(0, '127.0.0.1');
}

it.each([
  ['LongPolling', longPolling()],
  ['ServerSentEvents', serverSentEvents()],
  ['WebSockets', webSockets()],
])('%s through a balancer without affinity fails with an error that points to the documentation', async (_name, transport) => {
  await using ann = createHubServer({ nodeId: 'ann' });
  await using bob = createHubServer({ nodeId: 'bob' });
  const ports = [await listening(ann), await listening(bob)];
  let turn = 0;
  /** Sends each request to the next server, without the query parameter that names the node. */
  const balancer = createServer((asked, answer) => {
    const { method, headers } = asked;
    const path = asked.url!.replace(/[?&]node=\w+/, '');
    const port = ports[turn++ % 2];
    const passed = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (got) => {
      answer.writeHead(got.statusCode!, got.headers);
      got.pipe(answer);
    });
    asked.pipe(passed);
  });
  balancer.on('upgrade', (asked, socket) => {
    const path = asked.url!.replace(/[?&]node=\w+/, '');
    const port = ports[turn++ % 2];
    const passed = request({ host: '127.0.0.1', port, path, headers: asked.headers, agent: false }, (got) => {
      socket.end(`HTTP/1.1 ${got.statusCode} ${got.statusMessage}\r\nConnection: close\r\n\r\n`);
    });
    passed.end();
  });
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(balancer.address() as AddressInfo).port}/hub`;
    const connection = createHubConnection(contract, url, { transports: [transport] });
    const error = await connection.start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ details: { status: 404 } });
    expect((error as Error).message).toMatch(/A load balancer may not be sticky: see https:\/\/\S+\/docs\/scaling\.md\.$/);
  } finally {
    balancer.closeAllConnections();
    balancer.close();
  }
});

it('an unanswered negotiation fails with an error that does not mention balancers', async () => {
  await using server = createHubServer();
  const url = `http://127.0.0.1:${await listening(server)}/nothing`;
  const error = await createHubConnection(contract, url)
    .start()
    .catch((thrown: unknown) => thrown);
  expect((error as Error).message).toMatch(/not a SignalR endpoint/);
  expect((error as Error).message).not.toMatch(/sticky/);
});
