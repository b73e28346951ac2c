import { createServer } from 'node:http';
import { Server } from 'socket.io';

export async function start() {
  const http = createServer();
  // The raw clients answer no pings, so no ping is sent during a measurement. That favours Socket.IO a little.
  const io = new Server(http, { transports: ['websocket'], serveClient: false, pingInterval: 600_000 });
  io.on('connection', (socket) => socket.on('echo', (value, answer) => answer(value)));
  await new Promise((resolve) => http.listen(0, resolve));
  return { port: http.address().port, broadcast: (value) => io.emit('m', value) };
}
