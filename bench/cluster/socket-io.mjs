import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

export async function start({ port: redisPort }) {
  const http = createServer();
  const [publisher, subscriber] = [new Redis(redisPort), new Redis(redisPort)];
  const io = new Server(http, {
    transports: ['websocket'],
    serveClient: false,
    pingInterval: 600_000,
    adapter: createAdapter(publisher, subscriber),
  });
  await new Promise((resolve) => http.listen(0, resolve));
  const list = async () => (await io.fetchSockets()).length;
  return { port: http.address().port, list, count: list }; // it can count only by listing
}
