import { once } from 'node:events';
import { createServer, connect as connectHttp2 } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { start } from './http-world.ts';

const NEGOTIATE = 'POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n';

/** An `authenticate` that the test can hold. */
function gate() {
  let asked = 0;
  let admit: () => void = () => undefined;
  const admitted = new Promise<void>((resolve) => (admit = resolve));
  const authenticate = async () => {
    asked++;
    await admitted;
    return {};
  };
  return { authenticate, admit, asked: () => asked };
}

/** Connects a socket, and counts its responses. */
async function client(port: number) {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  let isCut = false;
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => undefined); // a reset is also an answer, and `close` follows
  socket.on('close', () => (isCut = true));
  await once(socket, 'connect');
  return { socket, answers: () => text.split('HTTP/1.1 200 OK').length - 1, isCut: () => isCut };
}

it('32 requests that a socket sends at once are answered, and 32 more after them', async () => {
  const { authenticate, admit, asked } = gate();
  await using world = await start({ hub: { authenticate } });
  const { socket, answers, isCut } = await client(world.port);
  socket.write(NEGOTIATE.repeat(32));
  await expect.poll(asked).toBe(32);
  admit();
  await expect.poll(answers).toBe(32);
  socket.write(NEGOTIATE.repeat(32));
  await expect.poll(answers).toBe(64);
  expect(isCut()).toBe(false);
  socket.destroy();
});

it('a socket that sends 33 requests at once is cut, and its further requests are not read', async () => {
  const { authenticate, admit, asked } = gate();
  await using world = await start({ hub: { authenticate } });
  const { socket, isCut } = await client(world.port);
  socket.write(NEGOTIATE.repeat(3000));
  await expect.poll(isCut).toBe(true);
  expect(asked()).toBe(32);
  admit();
  const other = await client(world.port);
  other.socket.write(NEGOTIATE);
  await expect.poll(other.answers).toBe(1);
  other.socket.destroy();
});

it('an HTTP/2 socket, which may be a proxy, may have any number of requests at once', async () => {
  const { authenticate, admit, asked } = gate();
  const server = createHubServer();
  server.hub(defineHub('ahead'), { path: '/hub', authenticate, methods: {} });
  const http = createServer();
  server.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const session = connectHttp2(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const statuses = Array.from({ length: 50 }, async () => {
    const stream = session.request({ ':method': 'POST', ':path': '/hub/negotiate?negotiateVersion=1' });
    const [headers] = (await once(stream.resume(), 'response')) as [Record<string, unknown>];
    return headers[':status'];
  });
  await expect.poll(asked).toBe(50);
  admit();
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
  session.close();
  http.close();
  await server.close({ graceMs: 0 });
});
