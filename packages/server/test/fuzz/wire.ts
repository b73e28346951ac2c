import { connect, type Socket } from 'node:net';
import { upgradeLines } from '../raw-client.ts';

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A WebSocket that sends any bytes and receives whole frames (RFC 6455, 5.2). */
export class WireSocket implements AsyncDisposable {
  readonly frames: Frame[] = [];
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #status: number | undefined;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake = (): void => undefined;

  /** Sends `first` right behind the upgrade. */
  constructor(port: number, first: Uint8Array, target = '/hub') {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (data) => this.#take(data));
    this.#socket.on('error', () => undefined); // a reset is an answer too, and `close` follows
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
    this.#socket.write(upgradeLines(target));
    this.#socket.write(first);
  }

  /** The status of the answer to the upgrade. */
  get status(): number | undefined {
    return this.#status;
  }
  /** The code of the server's close frame; undefined without one. */
  get closeCode(): number | undefined {
    const close = this.frames.find(({ opcode }) => opcode === Opcode.close);
    if (!close) return undefined;
    return close.payload.length < 2 ? 1005 : close.payload.readUInt16BE();
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Resolves when the socket is closed. */
  end(): void {
    this.#socket.end();
  }

  /** Settles when the condition holds, or the socket is closed. */
  async until(condition: () => boolean): Promise<void> {
    while (!this.#isClosed && !condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  #take(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    if (this.#status === undefined) {
      const end = this.#received.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#status = Number(this.#received.subarray(9, 12));
      this.#received = this.#received.subarray(end + 4);
    }
    for (let frame = this.#frame(); frame; frame = this.#frame()) {
      this.frames.push(frame);
      if (frame.opcode === Opcode.close) this.#socket.end(encodeFrame(Opcode.close, frame.payload));
    }
    this.#wake();
  }

  /** Parses frames of a server, which are not fragmented or masked. */
  #frame(): Frame | undefined {
    const bytes = this.#received;
    if (this.#status !== 101 || bytes.length < 2) return undefined;
    const short = bytes[1]!;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10; // prettier-ignore
    if (bytes.length < start) return undefined;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2)); // prettier-ignore
    if (bytes.length < start + length) return undefined;
    this.#received = bytes.subarray(start + length);
    return { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(start, start + length) };
  }
}

export interface FrameOptions {
  readonly isFinal?: boolean;
  readonly isMasked?: boolean;
  readonly reserved?: number;
  /** The announced length. Default: the real one. */
  readonly length?: number;
}

/** Encodes a frame of a client. Its mask is zeros, so that the payload stays readable. */
export function encodeFrame(opcode: number, payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { isFinal = true, isMasked = true, reserved = 0, length = payload.length } = options;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10); // prettier-ignore
  header[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  header[1] = (isMasked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127); // prettier-ignore
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, Buffer.alloc(isMasked ? 4 : 0), payload]);
}
