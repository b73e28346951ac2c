import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { HublineError } from '@hubline/protocol';

/**
 * Calls back once when a response has ended, with whether all of it was sent. Node emits `finish` also if the socket broke
 * meanwhile, and emits nothing for a response that is queued behind another one of its socket, so the socket is observed too.
 */
export function onceResponseEnded(response: ServerResponse | Http2ServerResponse, then: (taken: boolean) => void): void {
  // Over HTTP/2 the stream is observed: Node emits `finish` after its end, and the socket stays open.
  if ('stream' in response) {
    const { stream } = response;
    stream.once('close', () => then(stream.writableFinished && stream.rstCode === constants.NGHTTP2_NO_ERROR));
    return;
  }
  const { socket } = response.req;
  let taken = false;
  const settle = (): void => {
    response.off('close', settle);
    stop();
    then(taken);
  };
  const stop = onClose(socket, settle);
  response.on('finish', () => (taken = !socket.destroyed && !socket.errored));
  response.on('close', settle);
}

/** Returns a signal that aborts when the client of a request has disconnected. Call `stop` then: a socket carries many requests. */
export function untilClientGone(socket: Socket): { readonly clientGone: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new HublineError('cancelled', 'The client has left.', {}));
  if (!socket.destroyed) return { clientGone: controller.signal, stop: onClose(socket, abort) };
  abort();
  return { clientGone: controller.signal, stop: () => undefined };
}

/** Unanswered requests of one socket. Clients send the next request after the answer; each costs the event loop half a millisecond. */
const MAX_REQUESTS_AHEAD = 32;

/** True if a client has sent too many requests ahead of their answers. Over HTTP/2 each stream counts as a socket. */
export function isTooFarAhead({ socket }: IncomingMessage): boolean {
  return (closing.get(socket)?.all.size ?? 0) >= MAX_REQUESTS_AHEAD;
}

/** The callbacks that wait for the close of a socket, with one listener for all of them. */
interface Waiting {
  readonly all: Set<() => void>;
  readonly closed: () => void;
}
const closing = new WeakMap<Socket, Waiting>();

/** Calls back when a socket closes. Returns a function that cancels it. */
function onClose(socket: Socket, then: () => void): () => void {
  const waiting = closing.get(socket) ?? listen(socket);
  waiting.all.add(then);
  return () => {
    waiting.all.delete(then);
    if (waiting.all.size > 0 || closing.get(socket) !== waiting) return;
    closing.delete(socket); // an idle WebSocket keeps nothing of its upgrade
    socket.off('close', waiting.closed); // of an HTTP/2 stream the listener stays, and has nothing to call
  };
}

function listen(socket: Socket): Waiting {
  const all = new Set<() => void>();
  const waiting = { all, closed: () => all.forEach((each) => each()) };
  closing.set(socket, waiting);
  socket.once('close', waiting.closed);
  return waiting;
}
