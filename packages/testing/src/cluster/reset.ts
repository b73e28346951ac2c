import type { Socket } from 'node:net';

/**
 * Destroys a socket with a TCP reset. A socket that has sent its end is destroyed without one: libuv rejects the reset
 * (uv_tcp_close_reset: EINVAL), after which Node 20 never closes the handle and never exits.
 */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isEnding || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
