import { connect as connectSocket, type Socket } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';

/** A message as it came over the wire, unchecked. */
export type Heard = Readonly<Record<string, unknown>>;

export interface RawOptions extends ClientOptions {
  readonly path?: string;
  /** What follows `?`. */
  readonly query?: string;
  /** Default: JSON, version 1, of a client that announces Hubline. Null: none is sent, and the test does it. */
  readonly handshake?: object | null;
}

const END = '\u001e';

/** Speaks SignalR word for word: sends what it is told, well-formed or not, and keeps every frame as it came. */
export class RawClient implements AsyncDisposable {
  readonly socket: WebSocket;
  /** The text of every frame. */
  readonly frames: string[] = [];
  /** The same as bytes. */
  readonly bytes: Buffer[] = [];
  /** Which of the frames were binary. */
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

  /** A client whose handshake has been answered. */
  static async open(port: number, options: RawOptions = {}): Promise<RawClient> {
    const { handshake = { protocol: 'json', version: 1, hubline: 1 } } = options;
    const client = new RawClient(port, options);
    await new Promise<void>((resolve, reject) => client.socket.once('open', resolve).once('error', reject));
    client.socket.on('error', () => undefined); // `closed` tells
    if (!handshake) return client;
    client.send(handshake);
    await client.until(() => client.records.length > 0);
    return client;
  }

  /** Everything that has come, the answer to the handshake first. */
  get records(): readonly Heard[] {
    const text = this.frames.join('');
    return text
      .slice(0, text.lastIndexOf(END) + 1)
      .split(END)
      .slice(0, -1)
      .map((record) => JSON.parse(record) as Heard);
  }

  /** What has come after the answer to the handshake, pings left out. */
  get messages(): readonly Heard[] {
    return this.records.slice(1).filter(({ type }) => type !== 6);
  }

  /** Each as one record, all in one frame. */
  send(...messages: readonly object[]): void {
    this.socket.send(messages.map((message) => JSON.stringify(message) + END).join(''));
  }

  /** Calls a method and gives its completion. */
  async call(target: string, ...args: readonly unknown[]): Promise<Heard> {
    const invocationId = `c${this.#nextId++}`;
    this.send({ type: 1, invocationId, target, arguments: args });
    return this.completion(invocationId);
  }

  completion(invocationId: string): Promise<Heard> {
    return this.until(() => this.messages.find((message) => message.type === 3 && message.invocationId === invocationId));
  }

  items(invocationId: string): readonly unknown[] {
    return this.messages.filter((message) => message.type === 2 && message.invocationId === invocationId).map(({ item }) => item);
  }

  /** Settles at the first frame, or the end, after which the condition is truthy. */
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

  /** Cuts the line: the server gets a reset, and no close frame. */
  reset(): void {
    rawSocketOf(this.socket).resetAndDestroy();
  }

  /** Stops taking bytes, so that they pile up at the server. */
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

/** Writes an HTTP request by hand. Gives all that comes back until the server closes, or `enough` has come. */
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

/** The lines that ask for a WebSocket. */
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
