import { once } from 'node:events';
import { io } from 'socket.io-client';

export async function connect(port) {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true });
  await once(socket, 'connect');
  return (value) => socket.emitWithAck('echo', value);
}
