import { createSocket, openErrorOf, pingOf } from '#platform';
import type { Wire } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { headersFor } from './request.ts';
import type { OpenRequest, Pipe, PipeEnd, Transport } from './transport.ts';

/** How long the closing handshake may take. On a dead network a browser would wait for minutes. */
const CLOSE_MS = 2_000;
/** A longer text is sent at once, after about 16 small messages: the server then works while the client still encodes. */
const MAX_WAITING_LENGTH = 2_500;

/** WebSockets. Node 20 has no WebSocket, so the package `ws` must be installed there. */
export function webSockets(): Transport {
  return { name: 'WebSockets', open };
}

async function open(request: OpenRequest): Promise<Pipe> {
  const { signal, receive } = request;
  const url = new URL(request.url.href.replace('http', 'ws'));
  const socket = await createSocket(url, request, headersFor(request));
  socket.binaryType = 'arraybuffer';
  let waiting = '';
  const flush = (): void => {
    // A socket that is closing ignores `send`, without an error.
    if (waiting) socket.send(waiting);
    waiting = '';
  };
  /**
   * Joins the texts of a turn in one frame: with a frame for each, writing takes a third of the client's time. Bytes do not overtake texts:
   * the only text of a binary protocol is the handshake, which the client sends alone.
   */
  const send = (wire: Wire): void => {
    if (typeof wire !== 'string') return socket.send(wire as Uint8Array<ArrayBuffer>);
    if (!waiting) queueMicrotask(flush);
    waiting += wire;
    if (waiting.length > MAX_WAITING_LENGTH) flush();
  };
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
        flush();
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
        send,
        closed,
        get bufferedAmount() {
          return socket.bufferedAmount;
        },
        ping: pingOf(socket, () => receive('')),
      });
  });
}
