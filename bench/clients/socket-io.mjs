import { once } from 'node:events';
import { io } from 'socket.io-client';

/** Connects with the default options, but WebSocket transport only. */
export async function connect(port, { back } = {}) {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true });
  await once(socket, 'connect');
  if (back) socket.on('connect', back);
  return { call: (value) => socket.emitWithAck('echo', value) };
}
