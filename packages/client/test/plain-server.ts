import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';

/** A message of the client, unchecked. */
export type Received = Readonly<Record<string, unknown>> & { readonly type: number };

/** A client, as the server sees it. */
export interface Client {
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly received: Received[];
  readonly handshake: Readonly<Record<string, unknown>>;
  send(...messages: object[]): void;
  /** Closes the socket without a close frame. */
  drop(): void;
  close(code: number): void;
  /** Calls the listener at the next ping or pong frame. */
  onceControl(kind: 'ping' | 'pong', listener: () => void): void;
  pause(): void;
  resume(): void;
}

/** Runs after the handshake of a client, and returns the handler of its messages. */
export type Behaviour = (client: Client) => ((message: Received) => void) | void;

export interface Asked {
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
}

export interface PlainServerOptions {
  /** The behaviours of successive connections; the last one repeats. Default: {@link echoes}. */
  readonly behaves?: Behaviour | readonly Behaviour[];
  /** Returns the answer to the n-th negotiate, from 0: a status or a body. */
  readonly negotiates?: (asked: Asked, n: number) => number | object | undefined;
  /** Returns the status that refuses the n-th upgrade, from 0. */
  readonly upgrades?: (asked: Asked, n: number) => number | undefined;
  /** Whether the server answers ping frames. Default: false. */
  readonly pongs?: boolean;
  /** Returns the answer to a handshake; null: no answer. */
  readonly handshakes?: (request: Readonly<Record<string, unknown>>, n: number) => object | string | null;
}

const END = '\u001e';

/** A SignalR server over WebSockets, which does not know Hubline's extensions. */
export class PlainServer implements AsyncDisposable {
  readonly negotiated: Asked[] = [];
  readonly upgraded: Asked[] = [];
  readonly clients: Client[] = [];
  readonly #http;
  readonly #sockets;
  readonly #options: PlainServerOptions;

  private constructor(options: PlainServerOptions) {
    this.#options = options;
    this.#http = createServer((request, response) => {
      const asked = askedBy(request);
      if (!asked.url.pathname.endsWith('/negotiate')) return void response.writeHead(404).end();
      const n = this.negotiated.push(asked) - 1;
      const answer = options.negotiates?.(asked, n) ?? offer(n);
      if (typeof answer === 'number') response.writeHead(answer).end('refused');
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    this.#sockets = new WebSocketServer({ noServer: true, autoPong: options.pongs ?? false });
    this.#http.on('upgrade', (request, socket, head) => {
      const asked = askedBy(request);
      const n = this.upgraded.push(asked) - 1;
      const refusal = options.upgrades?.(asked, n);
      if (refusal) return void socket.end(`HTTP/1.1 ${refusal} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#serve(webSocket, asked));
    });
  }

  static async start(options: PlainServerOptions = {}): Promise<PlainServer> {
    const server = new PlainServer(options);
    await new Promise<void>((resolve) => server.#http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/hub`;
  }
  /** The number of open sockets. */
  get open(): number {
    return this.#sockets.clients.size;
  }
  get last(): Client {
    const client = this.clients.at(-1);
    if (!client) throw new Error('No client has connected yet.');
    return client;
  }

  #serve(socket: WebSocket, asked: Asked): void {
    const { behaves = echoes, handshakes = () => ({}) } = this.#options;
    const behaviours = Array.isArray(behaves) ? (behaves as readonly Behaviour[]) : [behaves as Behaviour];
    let client: Client | undefined;
    let react: ReturnType<Behaviour>;
    socket.on('message', (data: RawData) => {
      for (const record of textOf(data).split(END).slice(0, -1)) {
        const message = JSON.parse(record) as Received;
        if (client) {
          client.received.push(message);
          react?.(message);
          continue;
        }
        const n = this.clients.length;
        const answer = handshakes(message, n);
        client = clientOf(socket, asked, message);
        this.clients.push(client);
        if (answer === null) continue;
        socket.send(typeof answer === 'string' ? answer : JSON.stringify(answer) + END);
        react = behaviours[Math.min(n, behaviours.length - 1)]?.(client);
      }
    });
    socket.on('error', () => socket.terminate());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

/** `ws` delivers a Buffer by default. */
const textOf = (data: RawData): string => (data as Buffer).toString();

function askedBy(request: IncomingMessage): Asked {
  return { url: new URL(request.url ?? '/', 'http://plain.test'), headers: request.headers, method: request.method ?? '' };
}

function clientOf(socket: WebSocket, { url, headers }: Asked, handshake: Received): Client {
  return {
    url,
    headers,
    handshake,
    received: [],
    send: (...messages) => socket.send(messages.map((message) => JSON.stringify(message) + END).join('')),
    drop: () => socket.terminate(),
    close: (code) => socket.close(code),
    onceControl: (kind, listener) => void socket.once(kind, listener),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}

/** The answer to the n-th negotiate of a plain server. */
export const offer = (n: number, more: object = {}): object => ({
  negotiateVersion: 1,
  connectionId: `id-${n}`,
  connectionToken: `token-${n}`,
  availableTransports: [{ transport: 'WebSockets', transferFormats: ['Text', 'Binary'] }],
  ...more,
});

/** Answers calls with their arguments, streams each argument as an item, and sums uploads. */
export const echoes: Behaviour = (client) => {
  const uploads = new Map<string, { readonly call: Received; readonly items: unknown[]; open: number }>();
  return (message) => {
    const invocationId = message.invocationId as string;
    if (message.type === 1 && message.streamIds) {
      const streamIds = message.streamIds as string[];
      const upload = { call: message, items: [], open: streamIds.length };
      for (const id of streamIds) uploads.set(id, upload);
    } else if (message.type === 1 && invocationId) {
      client.send({ type: 3, invocationId, result: message.arguments });
    } else if (message.type === 2) {
      uploads.get(invocationId)?.items.push(message.item);
    } else if (message.type === 3) {
      const upload = uploads.get(invocationId);
      if (!upload || --upload.open > 0) return;
      const { call, items } = upload;
      client.send({ type: 3, invocationId: call.invocationId, ...(message.error ? { error: message.error } : { result: items }) });
    } else if (message.type === 4) {
      client.send(...(message.arguments as unknown[]).map((item) => ({ type: 2, invocationId, item })), { type: 3, invocationId });
    } else if (message.type === 5) {
      client.send({ type: 3, invocationId });
    }
  };
};

/** Sends nothing after the handshake. */
export const silent: Behaviour = () => {};

/** Closes the socket after the handshake, without a close frame. */
export const drops: Behaviour = (client) => client.drop();

/** Sends a close message after the handshake. */
export const closes =
  (close: object): Behaviour =>
  (client) =>
    client.send({ type: 7, ...close });

/** Answers every call with a completion of this shape. */
export const answers =
  (completion: object): Behaviour =>
  (client) =>
  ({ type, invocationId }) => {
    if (invocationId && (type === 1 || type === 4)) client.send({ type: 3, invocationId, ...completion });
  };
