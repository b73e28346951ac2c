import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Batch } from './batch.ts';
import { onceDrained } from './drained.ts';
import { binaryFrame, textFrame } from './frame.ts';
import { Stall } from './stall.ts';
import type { Transport, TransportListener } from './transport.ts';

export interface WebSocketOptions {
  /** The largest frame a client may send; a larger one closes the connection with 1009 (RFC 6455, 7.4.1). */
  readonly maxFrameBytes: number;
  /** How long the peer has to answer a close. */
  readonly closeTimeoutMs: number;
  /** How long the peer may take nothing of what waits for it. */
  readonly sendTimeoutMs: number;
}

/** Completes upgrades; what comes out is an open transport. */
export class WebSocketUpgrader {
  readonly #server: WebSocketServer;
  readonly #sendTimeoutMs: number;

  constructor({ maxFrameBytes, closeTimeoutMs, sendTimeoutMs }: WebSocketOptions) {
    this.#sendTimeoutMs = sendTimeoutMs;
    // Compression is off: it costs memory per socket, and a broadcast is framed once for all.
    const options = {
      noServer: true,
      clientTracking: false,
      autoPong: false,
      perMessageDeflate: false,
      maxPayload: maxFrameBytes,
      closeTimeout: closeTimeoutMs,
    };
    this.#server = new WebSocketServer(options);
  }

  /**
   * Calls `accept` with the open transport; where that throws, the socket is cut. An upgrade that is no valid handshake is
   * answered with 400 and forgotten.
   */
  upgrade({ request, socket, head }: Upgrade, accept: (transport: Transport) => TransportListener): void {
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const transport = new WebSocketTransport(webSocket, socket, this.#sendTimeoutMs);
      try {
        listen(webSocket, transport, accept(transport));
      } catch {
        webSocket.terminate(); // 101 is said, so there is no way left to say why
      }
    });
  }
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

/** Who does not take what waits gets no pongs either: they would pile up. */
const PONG_BELOW_BYTES = 64 * 1024;

function listen(webSocket: WebSocket, transport: Transport, listener: TransportListener): void {
  let error: NodeJS.ErrnoException | undefined;
  webSocket.on('ping', (data: Buffer) => {
    if (transport.bufferedBytes < PONG_BELOW_BYTES) webSocket.pong(data);
  });
  webSocket.on('message', (data: Buffer, isBinary) => listener.receive(isBinary ? data : data.toString()));
  webSocket.on('error', (cause) => (error = cause)); // always followed by `close`
  webSocket.on('close', (code) => {
    // A frame that broke the rules ends the socket before the peer's own code can come.
    const brokeRules = error?.code?.startsWith('WS_ERR_') ?? false;
    listener.closed({ code: brokeRules ? 1002 : code, ...(error ? { error } : {}) });
  });
}

/**
 * Frames are ours and go straight to the socket, so that a broadcast is framed once; ws reads, answers pings and
 * closes. Both write whole frames synchronously, so they cannot tear each other's.
 */
class WebSocketTransport implements Transport {
  readonly name = 'WebSockets';
  readonly carriesBytes = true;
  readonly inherentKeepAlive = false;
  format: 'text' | 'binary' = 'text';
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #stall: Stall;

  constructor(webSocket: WebSocket, socket: Socket, sendTimeoutMs: number) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#stall = new Stall(socket, sendTimeoutMs);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(batch: Batch): void {
    // After a close frame nothing may follow (RFC 6455, 5.5.1).
    if (this.#webSocket.readyState === this.#webSocket.OPEN) this.#socket.write(batch.as(this.format === 'text' ? textFrame : binaryFrame));
  }

  onceDrained(then: () => void): void {
    onceDrained(this.#socket, then);
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  beat(ms: number): void {
    if (this.#stall.beat(ms)) this.destroy();
  }

  close(code: number, reason: string): void {
    this.#webSocket.resume(); // a paused socket would not read the peer's answer
    this.#webSocket.close(code, reason);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }
}
