/** The least code for calls over ws: ids and a table of pending calls. */
import { once } from 'node:events';
import { WebSocket } from 'ws';

const SEPARATOR = '\x1e';

export async function connect(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/bench`, { perMessageDeflate: false });
  const waiting = new Map();
  let nextId = 1;
  await once(socket, 'open');
  socket.send(`{"protocol":"json","version":1}${SEPARATOR}`);
  await once(socket, 'message');
  socket.on('message', (data) => {
    for (const record of data.toString().split(SEPARATOR)) {
      if (record === '') continue;
      const { invocationId, result } = JSON.parse(record);
      waiting.get(invocationId)(result);
      waiting.delete(invocationId);
    }
  });
  const call = (value) => {
    const invocationId = String(nextId++);
    socket.send(JSON.stringify({ type: 1, invocationId, target: 'echo', arguments: [value] }) + SEPARATOR);
    return new Promise((resolve) => waiting.set(invocationId, resolve));
  };
  return { call };
}
