import type { Socket } from 'node:net';

/** Detects a peer that reads nothing while data is buffered for it. */
export class StallDetector {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  #taken = 0;
  #stuckMs = 0;

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
  }

  /** Counts a heartbeat. True if the peer has read nothing for too long. */
  check(ms: number): boolean {
    const waiting = this.#socket.writableLength;
    const taken = this.#socket.bytesWritten - waiting;
    this.#stuckMs = waiting > 0 && taken === this.#taken ? this.#stuckMs + ms : 0;
    this.#taken = taken;
    return this.#stuckMs >= this.#timeoutMs;
  }
}
