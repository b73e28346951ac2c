import { createSocket, openErrorOf, pingOf } from '#platform';
import { onAbort } from './abort.ts';
import { headersFor } from './request.ts';
import type { OpenRequest, Pipe, PipeEnd, Transport } from './transport.ts';

/** How long the closing handshake may take. On a dead network a browser would wait for minutes. */
const CLOSE_MS = 2_000;

/** WebSockets. Node 20 has no WebSocket, so the package `ws` must be installed there. */
export function webSockets(): Transport {
  return { name: 'WebSockets', open };
}

async function open(request: OpenRequest): Promise<Pipe> {
  const { signal, receive } = request;
  const url = new URL(request.url.href.replace('http', 'ws'));
  const socket = await createSocket(url, request, headersFor(request));
  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    const closed = new Promise<PipeEnd>((settle) => {
      const failure = openErrorOf(socket, request.url);
      let timer: ReturnType<typeof setTimeout> | undefined;
      socket.onclose = ({ code: closeCode, reason }) => {
        clearTimeout(timer);
        settle({ closeCode, reason });
        reject(failure());
      };
      onAbort(signal, () => {
        socket.close(1000);
        timer = setTimeout(() => {
          // Only `ws` can terminate. A browser ends the socket later, and its messages are ignored.
          (socket as { terminate?: () => void }).terminate?.();
          settle({});
        }, CLOSE_MS);
      });
    });
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => receive(typeof data === 'string' ? data : new Uint8Array(data));
    socket.onopen = () =>
      resolve({
        // A socket that is closing ignores `send`, without an error.
        send: (wire) => socket.send(wire as string),
        closed,
        get bufferedAmount() {
          return socket.bufferedAmount;
        },
        ping: pingOf(socket, () => receive('')),
      });
  });
}
