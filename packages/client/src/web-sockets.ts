import { createSocket } from '#platform';

import { onAbort } from './bounded.ts';
import { refusal } from './refusal.ts';
import type { OpenRequest, Pipe, PipeEnd, Transport } from './transport.ts';

/** How long a socket may take to say goodbye: over a dead network the browser would wait for minutes. */
const CLOSE_MS = 2_000;

/** WebSockets. In Node 20, which has none, the package `ws` must be installed. */
export function webSockets(): Transport {
  return { name: 'WebSockets', open };
}

async function open(request: OpenRequest): Promise<Pipe> {
  const { signal, receive } = request;
  const url = new URL(request.url);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = await createSocket(url, request);
  socket.binaryType = 'arraybuffer';
  return new Promise((resolve, reject) => {
    let ended: (end: PipeEnd) => void;
    const closed = new Promise<PipeEnd>((settle) => (ended = settle));
    // The browser says nothing about why; `ws` puts the HTTP status at the end of its message.
    let problem = '';
    const close = (): void => {
      if (socket.readyState > socket.CLOSING - 1) return;
      socket.close(1000);
      const timer = setTimeout(() => {
        (socket as { terminate?: () => void }).terminate?.();
        ended({});
      }, CLOSE_MS);
      void closed.then(() => clearTimeout(timer));
    };
    const undo = onAbort(signal, (reason) => {
      socket.onmessage = null;
      close();
      reject(reason);
    });
    socket.onopen = () => {
      undo();
      resolve({
        send(wire) {
          if (socket.readyState === socket.OPEN) socket.send(wire as string);
        },
        close,
        closed,
        get bufferedAmount() {
          return socket.bufferedAmount;
        },
      });
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => receive(typeof data === 'string' ? data : new Uint8Array(data));
    socket.onerror = (event) => {
      problem = (event as Partial<ErrorEvent>).message ?? '';
    };
    socket.onclose = ({ code, reason }) => {
      undo();
      ended({ closeCode: code, reason });
      const status = /\b[1-5]\d\d$/.exec(problem);
      reject(refusal(status ? Number(status[0]) : undefined, `The WebSocket did not open. ${problem}`));
    };
  });
}
