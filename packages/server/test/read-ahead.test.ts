import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';

interface Calls {
  echo(value: unknown): Promise<unknown>;
  wait(value: unknown): Promise<void>;
}
const contract = defineHub<Calls>('ahead');
const KIBIBYTE = 1024;

it('the server reads 64 KiB ahead of a WebSocket whose method is slow, and not many times as much', async () => {
  const http = createServer();
  const sockets: Socket[] = [];
  http.on('connection', (socket) => sockets.push(socket));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const server = createHubServer({ limits: { maxQueuedCalls: 1 } });
  let pass: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (pass = resolve));
  server.hub(contract, { path: '/hub', methods: { echo: async (_ctx, value) => value, wait: () => gate } });
  server.attach(http);
  {
    await using client = await RawClient.open(port);
    await using neighbour = await RawClient.open(port);
    const text = 'x'.repeat(30 * KIBIBYTE);
    for (let i = 0; i < 1000; i++) client.send({ type: 1, target: 'wait', arguments: [text] });
    await expect.poll(() => sockets[0]?.bytesRead).toBeGreaterThan(64 * KIBIBYTE);
    for (let round = 0; round < 200; round++) await neighbour.call('echo', round);
    expect(sockets[0]?.bytesRead).toBeLessThan(1024 * KIBIBYTE);
    pass();
  }
  await server.close();
  http.close();
});
