import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { asError } from '@hubline/protocol';
import type { Batch } from './batch.ts';
import { onceDrained } from './drained.ts';
import { FrameError, FrameReader, type FrameListener } from './frame-reader.ts';
import { binaryFrame, closeFrame, controlFrame, Opcode, textFrame } from './frame.ts';
import { refuseUpgrade } from './refusal.ts';
import { StallDetector } from './stall-detector.ts';
import type { Transport, TransportEnd, TransportListener } from './transport.ts';
import { answerUpgrade } from './websocket-handshake.ts';

export interface WebSocketOptions {
  /** Runs `then` after a time. Returns a function that cancels the timer. */
  readonly clock: { after(ms: number, then: () => void): () => void };
  readonly timeouts: {
    /** How long the client may take to answer a close. */
    readonly closeMs: number;
    /** How long the client may read nothing while data is buffered for it. */
    readonly sendMs: number;
    /** A ping is sent when nothing was received for this long. Every client answers one, whatever its protocol. */
    readonly keepAliveMs: number;
  };
}

/** Completes upgrades to open transports. */
export class WebSocketUpgrader {
  readonly #options: WebSocketOptions;

  constructor(options: WebSocketOptions) {
    this.#options = options;
  }

  /** Calls `accept` with the open transport, and destroys the socket if that throws. Refuses an invalid handshake. */
  upgrade({ request, socket, head }: Upgrade, accept: (transport: Transport) => TransportListener): void {
    const answer = answerUpgrade(request);
    if ('refusal' in answer) return refuseUpgrade(socket, answer.refusal);
    socket.setTimeout(0);
    socket.setNoDelay();
    const transport = new WebSocketTransport(socket, this.#options);
    socket.write(answer.lines);
    try {
      transport.open(accept(transport), head);
    } catch {
      socket.destroy(); // 101 is sent already, so no refusal can follow
    }
  }
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

/** Above this buffer size no pongs are sent: they would pile up for a client that does not read. */
const PONG_BELOW_BYTES = 64 * 1024;
/** Bytes that are read while the listener is paused: control frames behind them show whether the client is connected. */
const READ_AHEAD_BYTES = 64 * 1024;

const PING = controlFrame(Opcode.ping);
/** RFC 6455, 7.4.1. */
const NORMAL = 1000;
const PROTOCOL_ERROR = 1002;
const BROKEN = 1006;
const INTERNAL_ERROR = 1011;

/** Reads and writes frames. A broadcast is framed once for all sockets, and payloads are delivered as they are read. */
class WebSocketTransport implements Transport, FrameListener {
  readonly name = 'WebSockets';
  readonly carriesBytes = true;
  readonly inherentKeepAlive = false;
  readonly readAheadBytes = READ_AHEAD_BYTES;
  format: 'text' | 'binary' = 'text';
  readonly #socket: Socket;
  readonly #options: WebSocketOptions;
  readonly #stall: StallDetector;
  readonly #reader = new FrameReader(this);
  #listener: TransportListener | undefined;
  /** False after a close frame, which no other frame may follow (RFC 6455, 5.5.1). */
  #isOpen = true;
  #isPaused = false;
  #end: TransportEnd = { code: BROKEN };
  #silentMs = 0;
  /** Control frames of the chunk that is being read, and the last ping among them: only that one needs a pong (5.5.3). */
  #controls = 0;
  #pinged: Buffer | undefined;

  constructor(socket: Socket, options: WebSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#stall = new StallDetector(socket, options.timeouts.sendMs);
    socket.on('error', (error) => {
      if (this.#end.code === BROKEN) this.#end = { error, ...this.#end }; // always followed by `close`
    });
  }

  open(listener: TransportListener, head: Buffer): void {
    const socket = this.#socket;
    this.#listener = listener;
    if (head.length > 0) socket.unshift(head);
    socket.on('data', this.#read);
    socket.on('end', endSocket);
    socket.on('close', () => listener.closed(this.#end));
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(batch: Batch): void {
    if (this.#isOpen) this.#socket.write(batch.as(this.format === 'text' ? textFrame : binaryFrame));
  }

  onceDrained(then: () => void): void {
    onceDrained(this.#socket, then);
  }

  pause(): void {
    if (!this.#isOpen) return; // the peer's answer to the close must be read
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#silentMs = 0;
    this.#socket.resume();
  }

  get silentMs(): number {
    return this.#silentMs;
  }

  heartbeat(ms: number): void {
    if (this.#stall.check(ms)) return this.destroy();
    if (this.#isPaused || !this.#isOpen) return; // an unread pong is no sign of silence
    const { keepAliveMs } = this.#options.timeouts;
    const wasSilent = this.#silentMs >= keepAliveMs;
    this.#silentMs += ms;
    if (this.#silentMs >= keepAliveMs && !wasSilent) this.#control(PING);
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#socket.write(closeFrame(code, reason));
    this.#closing();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  text(piece: string, isEnd: boolean): void {
    this.#listener?.receive(piece, isEnd);
  }

  binary(piece: Buffer, isEnd: boolean): void {
    this.#listener?.receive(detached(piece), isEnd);
  }

  ping(payload: Buffer): void {
    this.#controls++;
    this.#pinged = payload;
  }

  pong(): void {
    this.#controls++;
  }

  /** Answers a close with 1000 whatever the peer's code, as ASP.NET Core does. */
  peerClosed(code: number): void {
    this.#end = { code };
    this.close(NORMAL, '');
    this.#socket.end();
  }

  readonly #read = (chunk: Buffer): void => {
    this.#silentMs = 0;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#fail(asError(error));
    }
    if (this.#controls > 0) this.#listener?.controlled?.(this.#controls);
    if (this.#pinged && this.bufferedBytes < PONG_BELOW_BYTES) this.#control(controlFrame(Opcode.pong, this.#pinged));
    this.#controls = 0;
    this.#pinged = undefined;
  };

  #control(frame: Buffer): void {
    if (this.#isOpen) this.#socket.write(frame);
  }

  /** Ends the connection with an error; later input is ignored. */
  #fail(error: Error): void {
    this.#socket.off('data', this.#read);
    this.#end = { code: PROTOCOL_ERROR, error };
    this.close(error instanceof FrameError ? error.closeCode : INTERNAL_ERROR, error.message);
    this.#socket.end();
  }

  #closing(): void {
    this.#isOpen = false;
    this.resume();
    const { clock, timeouts } = this.#options;
    this.#socket.once(
      'close',
      clock.after(timeouts.closeMs, () => this.destroy()),
    );
  }
}

function endSocket(this: Socket): void {
  this.end();
}

/** Copies a piece that is a small view of its chunk: while it waits it would keep the whole chunk in memory. */
function detached(piece: Buffer): Buffer {
  if (piece.length * 2 >= piece.buffer.byteLength) return piece;
  const copy = Buffer.allocUnsafeSlow(piece.length); // not of the pool, which the copy would keep
  copy.set(piece);
  return copy;
}
