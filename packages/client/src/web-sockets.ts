import { createSocket, failureOf, pingOf } from '#platform';
import { onAbort } from './abort.ts';
import { headersFor } from './request.ts';
import type { OpenRequest, Pipe, PipeEnd, Transport } from './transport.ts';

/** How long a socket may take to say goodbye: over a dead network a browser would wait for minutes. */
const CLOSE_MS = 2_000;

/** WebSockets. In Node 20, which has none, the package `ws` must be installed. */
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
      const failure = failureOf(socket, request.url);
      let timer: ReturnType<typeof setTimeout> | undefined;
      socket.onclose = ({ code: closeCode, reason }) => {
        clearTimeout(timer);
        settle({ closeCode, reason });
        reject(failure());
      };
      onAbort(signal, () => {
        socket.close(1000);
        timer = setTimeout(() => {
          // Only `ws` can do this; a browser's socket is deaf by now, and ends when the browser thinks so.
          (socket as { terminate?: () => void }).terminate?.();
          settle({});
        }, CLOSE_MS);
      });
    });
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => receive(typeof data === 'string' ? data : new Uint8Array(data));
    socket.onopen = () =>
      resolve({
        // While it closes, a socket drops what it is given.
        send: (wire) => socket.send(wire as string),
        closed,
        get bufferedAmount() {
          return socket.bufferedAmount;
        },
        ping: pingOf(socket, () => receive('')),
      });
  });
}
