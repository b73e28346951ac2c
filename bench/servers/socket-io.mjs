import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { EACH, groupsOf } from '../groups.mjs';

export async function start({ port, redisPort }) {
  const http = createServer();
  const io = new Server(http, {
    transports: ['websocket'],
    serveClient: false,
    // The raw clients answer no pings, so no ping is sent during a measurement. That favours Socket.IO a little.
    pingInterval: 600_000,
    ...(redisPort !== undefined && { adapter: createAdapter(...[new Redis(redisPort), new Redis(redisPort)].map(withoutErrors)) }),
  });
  let joined = 0;
  io.on('connection', (socket) => {
    socket.on('echo', (value, answer) => answer(value));
    const { hub, user } = socket.handshake.query;
    if (user === undefined) return;
    if (hub === 'groups') {
      socket.join(groupsOf(user));
      joined += EACH;
      return;
    }
    socket.data = { userId: user, role: 'editor' };
    socket.join([`user:${user}`, 'lobby', 'news']);
  });
  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  const listIds = async () => (await io.fetchSockets()).length;
  return {
    port: http.address().port,
    broadcast: (value) => io.emit('m', value),
    toGroup: (name, value) => io.to(name).emit('m', value),
    joined: () => joined,
    listIds,
    list: async () => (await io.fetchSockets()).filter(({ data }) => data.userId.startsWith('user-') && data.role === 'editor').length,
    count: listIds, // it can count only by listing
    invokeAll: async () => (await io.timeout(30_000).emitWithAck('confirm')).filter((answer) => answer === true).length,
    close: () => io.close(),
  };
}

/** ioredis emits an error for each failed attempt to connect while Redis is down. */
function withoutErrors(client) {
  return client.on('error', () => undefined);
}
