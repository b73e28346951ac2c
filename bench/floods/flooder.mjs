/** The process of the floods: sends one kind of flood over raw sockets until it is stopped or the flood's limit is reached. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { handleRequests } from '../child.mjs';
import { FLOODS, HANDSHAKE } from './kinds.mjs';

handleRequests({
  async flood({ kind, port }) {
    const { connections = 1 } = FLOODS[kind];
    await Promise.all(Array.from({ length: connections }, () => flood(FLOODS[kind], port)));
  },
});

async function flood({ isHttp, first, block, connections = 1, megabytes = Infinity }, port) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => undefined); // the server may end the connection, which the report shows
  await once(socket, 'connect');
  if (!isHttp) await upgrade(socket);
  socket.resume();
  if (first) socket.write(first);
  let left = (megabytes * 1e6) / connections;
  const send = () => {
    while (left > 0 && block.length > 0 && !socket.destroyed) {
      left -= block.length;
      if (!socket.write(block)) return socket.once('drain', send);
    }
  };
  send();
}

async function upgrade(socket) {
  socket.write(
    'GET /flood HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  socket.write(HANDSHAKE);
  await once(socket, 'data');
}
