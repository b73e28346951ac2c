/** A WebSocket client that costs little CPU: TCP sockets with one shared read buffer, and prepared frames. */
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { clientFrame, FrameReader } from '../frames.mjs';
import { WIRE_FORMATS } from './wire-formats.mjs';

const READ_BUFFER = Buffer.allocUnsafe(64 * 1024);
const HEAD_END = '\r\n\r\n';

/**
 * Opens a connection and does the handshake. `user` is given for clients with a user, two groups and an attribute. Set `deliver` to get
 * payloads, and `afterChunk` to run code after each chunk.
 */
export async function openRaw({ wire, port, hub }, user) {
  const { path, greeting } = WIRE_FORMATS[wire];
  const connection = new RawConnection(port);
  await connection.upgrade(path(user, hub));
  for (const { send, expect } of greeting) {
    const payload = connection.next();
    if (send !== undefined) connection.write(clientFrame(send));
    const text = await payload;
    if (!text.startsWith(expect)) throw new Error(`${wire} answered ${text} instead of ${expect}`);
  }
  return connection;
}

class RawConnection {
  deliver = (bytes, start, end) => this.#early.push(bytes.toString('utf8', start, end));
  afterChunk = () => undefined;
  #early = [];
  #reader = new FrameReader((bytes) => this.write(bytes));
  #socket;
  #head = '';
  #upgraded;

  constructor(port) {
    const onread = { buffer: READ_BUFFER, callback: (length, buffer) => this.#read(buffer.subarray(0, length)) };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.#socket.on('close', () => fail('The server closed a connection.'));
  }

  write(bytes) {
    this.#socket.write(bytes);
  }

  upgrade(path) {
    this.write(
      Buffer.from(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==${HEAD_END}`,
      ),
    );
    return new Promise((resolve) => (this.#upgraded = resolve));
  }

  /** Resolves with the next payload, instead of delivering it. */
  next() {
    return new Promise((resolve) => {
      const early = this.#early.shift();
      if (early !== undefined) return resolve(early);
      const queue = this.deliver;
      this.deliver = (bytes, start, end) => {
        this.deliver = queue;
        resolve(bytes.toString('utf8', start, end));
      };
    });
  }

  #read(chunk) {
    if (this.#upgraded) this.#readHead(chunk);
    else this.#reader.push(chunk, this.#take);
    this.afterChunk();
    return true;
  }

  #take = (bytes, start, end) => this.deliver(bytes, start, end);

  #readHead(chunk) {
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return;
    if (!this.#head.startsWith('HTTP/1.1 101')) fail(`The upgrade was refused: ${this.#head}`);
    this.#upgraded();
    this.#upgraded = undefined;
    this.#reader.push(Buffer.from(this.#head.slice(end + HEAD_END.length), 'latin1'), this.#take);
  }
}

/** Throws in an event handler, which ends the process and so run.mjs. */
export function fail(text) {
  throw new Error(text.slice(0, 500));
}
