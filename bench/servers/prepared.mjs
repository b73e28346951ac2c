/** Sends prepared frames of sixteen SignalR events each, as fast as the client reads them, so that the client limits the rate. */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { WIRE_FORMATS } from '../clients/wire-formats.mjs';
import { serverFrame } from '../frames.mjs';
import { payload } from '../payload.mjs';

const PER_FRAME = 16;
const FRAMES = 256;
/** The number of different events, after which they repeat. */
export const CYCLE = PER_FRAME * FRAMES;

export async function start({ port }) {
  const frames = Array.from({ length: FRAMES }, (_, i) =>
    serverFrame(
      Array.from({ length: PER_FRAME }, (_, k) => WIRE_FORMATS.signalR.event(JSON.stringify(payload(i * PER_FRAME + k)))).join(''),
    ),
  );
  const http = createServer((request, response) => {
    // The negotiation of both clients: an id, and WebSockets as the only transport.
    response.end(JSON.stringify({ negotiateVersion: 1, connectionId: 'c', connectionToken: 't', availableTransports: TRANSPORTS }));
  });
  new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', (client, request) => {
    let next = 0;
    const write = () => {
      while (request.socket.write(frames[next++ % FRAMES]));
    };
    client.on('message', (data) => {
      const text = data.toString();
      if (text.includes('"protocol"')) client.send('{}\x1e');
      else if (text.includes('"ready"')) {
        request.socket.on('drain', write);
        write();
      }
    });
  });
  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  return { port: http.address().port };
}

const TRANSPORTS = [{ transport: 'WebSockets', transferFormats: ['Text', 'Binary'] }];
