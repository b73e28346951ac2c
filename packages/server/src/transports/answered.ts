import type { ServerResponse } from 'node:http';

/** Calls back when an answer is over: whether all of it was taken. Node says `finish` also where the socket broke meanwhile. */
export function whenAnswered(response: ServerResponse, then: (taken: boolean) => void): void {
  const { socket } = response; // gone from the response at its end
  let taken = false;
  response.on('finish', () => (taken = socket !== null && !socket.destroyed && !socket.errored));
  response.on('close', () => then(taken));
}
