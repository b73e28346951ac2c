import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TransportName } from '@hubline/protocol';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it, vi } from 'vitest';
import { createHubConnection, longPolling, serverSentEvents, webSockets } from '../src/index.ts';
import { PlainHttp } from './plain-http.ts';
import { World } from './world.ts';

interface Probe {
  transport(): Promise<string>;
}
const probe = defineHub<Probe>('probe');
const ALL = [longPolling(), serverSentEvents(), webSockets()];

/** A Hubline server behind a proxy that refuses or ignores upgrades. */
async function behind({ upgrade, transports }: { upgrade?: 'refused' | 'swallowed'; transports?: readonly TransportName[] } = {}) {
  const server = createHubServer();
  server.hub(probe, { path: '/hub', methods: { transport: async (ctx) => ctx.transport }, ...(transports && { transports }) });
  const http = createServer();
  const sockets = new Set<Socket>();
  http.on('connection', (socket) => sockets.add(socket));
  server.attach(http);
  const emit = http.emit.bind(http) as (event: string, ...args: readonly unknown[]) => boolean;
  http.emit = (event: string, ...args: readonly unknown[]): boolean => {
    if (event !== 'upgrade' || !upgrade) return emit(event, ...args);
    if (upgrade === 'refused') (args[1] as Socket).end('HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    return true;
  };
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/hub`,
    async [Symbol.asyncDispose]() {
      await server.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

it('the client takes the first transport of the server', async () => {
  await using server = await behind();
  await using connection = createHubConnection(probe, server.url, { transports: ALL });
  await connection.start();
  expect(await connection.invoke.transport()).toBe('WebSockets');
});

it('the client falls back if a proxy refuses WebSockets', async () => {
  await using server = await behind({ upgrade: 'refused' });
  await using connection = createHubConnection(probe, server.url, { transports: ALL });
  await connection.start();
  expect(await connection.invoke.transport()).toBe('ServerSentEvents');
});

it('the client falls back if a proxy does not answer WebSockets', async () => {
  await using server = await behind({ upgrade: 'swallowed' });
  await using connection = createHubConnection(probe, server.url, { transports: ALL, startTimeoutMs: 1_000 });
  await connection.start();
  expect(await connection.invoke.transport()).toBe('ServerSentEvents');
});

it('the client falls back if a proxy buffers event streams', async () => {
  await using server = await PlainHttp.start({
    // A buffering proxy passes the headers at once and holds the bytes.
    intercepts: ({ headers }, response) => {
      if (headers.accept !== 'text/event-stream') return false;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      return true;
    },
  });
  await using world = await World.open({ url: server.url, transports: ALL, startTimeoutMs: 500 });
  await world.connection.start();
  expect(await world.connection.invoke.echo(1)).toEqual([1]);
  expect(server.requests.at(-1)?.url.searchParams.get('id')).toBe('token-1');
  await vi.waitFor(() => expect(server.requests[0]?.state()).toBe('given up'));
});

it('the client takes the transport that client and server have in common', async () => {
  for (const transport of ['ServerSentEvents', 'LongPolling'] as const) {
    await using server = await behind({ transports: [transport] });
    await using connection = createHubConnection(probe, server.url, { transports: ALL });
    await connection.start();
    expect(await connection.invoke.transport()).toBe(transport);
  }
});

it('the client negotiates for each transport, and its error has the reason of each failure', async () => {
  await using server = await PlainHttp.start({
    intercepts: ({ headers }, response) => response.writeHead(headers.accept === 'text/event-stream' ? 404 : 500).end(),
  });
  await using world = await World.open({ url: server.url, transports: ALL });
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'negotiation_failed',
    cause: { errors: [{ details: { status: 404 } }, { details: { status: 500 } }] },
  });
  expect(server.negotiated).toHaveLength(2);
});

it('the client starts with the first transport again when it reconnects', async () => {
  let refuse = true;
  await using server = await PlainHttp.start({
    intercepts: ({ headers }, response) => refuse && headers.accept === 'text/event-stream' && response.writeHead(500).end(),
  });
  await using world = await World.open({ url: server.url, transports: ALL, reconnect: { firstMs: 1 } });
  await world.connection.start();
  expect(server.requests.at(-1)?.headers.accept).not.toBe('text/event-stream');
  refuse = false;
  await vi.waitFor(() => server.response.destroy());
  await vi.waitFor(() => expect(world.emitted('reconnected')).toHaveLength(1), 5_000);
  expect(server.requests.findLast(({ method }) => method === 'GET')?.headers.accept).toBe('text/event-stream');
});
