import { connect as connectSocket, type Socket } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';

/** A received message, unchecked. */
export type Received = Readonly<Record<string, unknown>>;

export interface RawOptions extends ClientOptions {
  readonly path?: string;
  /** The query string without `?`. */
  readonly query?: string;
  /** Default: JSON, version 1, of a client that announces Hubline. Null: no handshake is sent. */
  readonly handshake?: object | null;
}

const END = '\u001e';

/** Sends any message, well-formed or not, and keeps each received frame. */
export class RawClient implements AsyncDisposable {
  readonly socket: WebSocket;
  /** The text of each frame. */
  readonly frames: string[] = [];
  /** The bytes of each frame. */
  readonly bytes: Buffer[] = [];
  /** Whether each frame was binary. */
  readonly binary: boolean[] = [];
  readonly closed: Promise<number>;
  #nextId = 0;

  constructor(port: number, { path = '/hub', query = '', ...options }: RawOptions = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}${query && `?${query}`}`, options);
    this.socket.on('message', (data: Buffer, isBinary) => {
      this.frames.push(data.toString());
      this.bytes.push(data);
      this.binary.push(isBinary);
    });
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
  }

  /** Opens a client, and resolves when its handshake is answered. */
  static async open(port: number, options: RawOptions = {}): Promise<RawClient> {
    const { handshake = { protocol: 'json', version: 1, hubline: 1 } } = options;
    const client = new RawClient(port, options);
    await new Promise<void>((resolve, reject) => client.socket.once('open', resolve).once('error', reject));
    client.socket.on('error', () => undefined); // `closed` resolves
    if (!handshake) return client;
    client.send(handshake);
    await client.until(() => client.records.length > 0);
    return client;
  }

  /** All received records, the answer to the handshake first. */
  get records(): readonly Received[] {
    const text = this.frames.join('');
    return text
      .slice(0, text.lastIndexOf(END) + 1)
      .split(END)
      .slice(0, -1)
      .map((record) => JSON.parse(record) as Received);
  }

  /** The received messages after the handshake, without pings. */
  get messages(): readonly Received[] {
    return this.records.slice(1).filter(({ type }) => type !== 6);
  }

  /** Sends the messages as records in one frame. */
  send(...messages: readonly object[]): void {
    this.socket.send(messages.map((message) => JSON.stringify(message) + END).join(''));
  }

  /** Calls a method and returns its completion. */
  async call(target: string, ...args: readonly unknown[]): Promise<Received> {
    const invocationId = `c${this.#nextId++}`;
    this.send({ type: 1, invocationId, target, arguments: args });
    return this.completion(invocationId);
  }

  completion(invocationId: string): Promise<Received> {
    return this.until(() => this.messages.find((message) => message.type === 3 && message.invocationId === invocationId));
  }

  items(invocationId: string): readonly unknown[] {
    return this.messages.filter((message) => message.type === 2 && message.invocationId === invocationId).map(({ item }) => item);
  }

  /** Resolves at the first frame, or the end, after which the condition is truthy. */
  until<T>(condition: () => T | undefined | false): Promise<NonNullable<T>> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        this.socket.off('message', look);
        this.socket.off('close', fail);
        then();
      };
      const fail = (code: number): void => {
        const value = condition();
        if (value) return settle(() => resolve(value));
        settle(() => reject(new Error(`closed with ${code} before ${condition.toString()}; got ${this.frames.join('').slice(-500)}`)));
      };
      const look = (): void => {
        const value = condition();
        if (value) settle(() => resolve(value));
      };
      this.socket.on('message', look).on('close', fail);
      if (this.socket.readyState === WebSocket.CLOSED) fail(0);
      else look();
    });
  }

  /** Resets the socket: the server gets no close frame. */
  reset(): void {
    rawSocketOf(this.socket).resetAndDestroy();
  }

  /** Stops reading the socket. */
  pause(): void {
    rawSocketOf(this.socket).pause();
  }
  resume(): void {
    rawSocketOf(this.socket).resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState !== WebSocket.CLOSED) this.socket.terminate();
    await this.closed;
  }
}

function rawSocketOf(socket: WebSocket): Socket {
  return (socket as unknown as { readonly _socket: Socket })._socket;
}

/** Writes an HTTP request to a new socket, and returns the response when the server closes it or when it is `enough`. */
export function rawRequest(port: number, text: string, enough: (answer: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connectSocket({ port, host: '127.0.0.1' }, () => socket.write(text));
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      if (enough(answer)) socket.destroy();
    });
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}

/** The lines of a request for a WebSocket. */
export const upgradeLines = (target: string, headers: Readonly<Record<string, string>> = {}): string =>
  requestLines('GET', target, {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  });

export function requestLines(method: string, target: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
