import type { Socket } from 'node:net';

/**
 * Destroys a socket so that its peer sees a loss, not an end. Where an end is under way it is destroyed like any other: to reset it
 * then is an error in libuv (uv_tcp_close_reset: EINVAL), after which Node 20 never closes the handle, and never exits.
 */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isEnding || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
