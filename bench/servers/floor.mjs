/** The lowest cost of a broadcast on Node's sockets: the frames of a turn are made once and joined, with one write per client. */
import { Buffer } from 'node:buffer';
import { setImmediate } from 'node:timers';
import { WebSocketServer } from 'ws';
import { serverFrame } from '../frames.mjs';

export async function start({ port }) {
  const sockets = [];
  const server = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (_client, request) => sockets.push(request.socket));
  await new Promise((resolve) => server.once('listening', resolve));
  let frames = [];
  const flush = () => {
    const bytes = frames.length > 1 ? Buffer.concat(frames) : frames[0];
    frames = [];
    for (const socket of sockets) socket.write(bytes);
  };
  return {
    port: server.address().port,
    broadcast: (value) => {
      if (frames.push(serverFrame(JSON.stringify(value))) === 1) setImmediate(flush);
    },
  };
}
