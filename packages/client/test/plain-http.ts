import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TransportName } from '@hubline/protocol';
import { echoes, type Asked, type Behaviour, type Client, type Received } from './plain-server.ts';

export interface Request extends Asked {
  /** The body of a POST. */
  readonly body: string;
  /** Whether the response is open, complete, or was aborted by the client. */
  readonly state: () => 'open' | 'answered' | 'given up';
  /** The methods of the requests of this connection that were open when this one arrived. */
  readonly concurrent: readonly string[];
}

export interface PlainHttpOptions {
  /** The offered transports in order. Default: both. */
  readonly offers?: readonly TransportName[];
  readonly behaves?: Behaviour;
  /** Answers a request in place of the server if it returns a truthy value. Not called for negotiations. */
  readonly intercepts?: (request: Request, response: ServerResponse) => unknown;
  readonly negotiation?: object;
}

interface Session {
  readonly token: string;
  readonly name: TransportName;
  client?: Client;
  react?: ReturnType<Behaviour>;
  /** The event stream or the held poll. */
  response?: ServerResponse | undefined;
  waiting: string;
  ended: boolean;
}

const END = '\u001e';

/** A SignalR server over HTTP requests without WebSockets, which does not know Hubline's extensions. */
export class PlainHttp implements AsyncDisposable {
  readonly requests: Request[] = [];
  readonly negotiated: Asked[] = [];
  readonly clients: Client[] = [];
  readonly sockets = new Set<Socket>();
  readonly #sessions = new Map<string, Session>();
  readonly #options: PlainHttpOptions;
  readonly #http;

  private constructor(options: PlainHttpOptions) {
    this.#options = options;
    this.#http = createServer((request, response) => void this.#answer(request, response));
    this.#http.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(options: PlainHttpOptions = {}): Promise<PlainHttp> {
    const server = new PlainHttp(options);
    await new Promise<void>((resolve) => server.#http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/hub`;
  }
  get last(): Client {
    const client = this.clients.at(-1);
    if (!client) throw new Error('No client has connected yet.');
    return client;
  }
  /** The methods of all requests of connections, such as `GET`. */
  get methods(): readonly string[] {
    return this.requests.map(({ method }) => method);
  }
  /** The number of open requests. */
  get open(): number {
    return this.requests.filter(({ state }) => state() === 'open').length;
  }
  /** The response by which the last connection receives. */
  get response(): ServerResponse {
    const response = [...this.#sessions.values()].at(-1)?.response;
    if (!response) throw new Error('The last connection has no response.');
    return response;
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://plain.test');
    const { method = '', headers } = incoming;
    const body = await text(incoming).catch(() => 'cut');
    if (url.pathname.endsWith('/negotiate')) {
      const n = this.negotiated.push({ url, headers, method }) - 1;
      const { offers = ['ServerSentEvents', 'LongPolling'], negotiation } = this.#options;
      const availableTransports = offers.map((transport) => ({ transport, transferFormats: ['Text', 'Binary'] }));
      const offer = { negotiateVersion: 1, connectionId: `id-${n}`, connectionToken: `token-${n}`, availableTransports };
      return void response.end(JSON.stringify({ ...offer, ...negotiation }));
    }
    const token = url.searchParams.get('id') ?? '';
    const state = (): ReturnType<Request['state']> =>
      response.writableFinished ? 'answered'
      : response.destroyed ? 'given up'
      : 'open';
    const concurrent = this.requests.filter((each) => each.url.searchParams.get('id') === token && each.state() === 'open');
    const request: Request = { url, headers, method, body, state, concurrent: concurrent.map((each) => each.method) };
    this.requests.push(request);
    if (this.#options.intercepts?.(request, response)) return;
    const session = this.#sessions.get(token);
    if (method === 'GET') this.#get(request, response, session);
    else if (!session || session.ended) response.writeHead(404).end('No Connection with that ID');
    else if (method === 'POST') {
      this.#take(session, request);
      response.end();
    } else {
      session.ended = true;
      response.writeHead(202).end();
    }
  }

  #get(request: Request, response: ServerResponse, known: Session | undefined): void {
    const token = request.url.searchParams.get('id') ?? '';
    const name = request.headers.accept === 'text/event-stream' ? 'ServerSentEvents' : 'LongPolling';
    const session = known ?? { token, name, waiting: '', ended: false };
    this.#sessions.set(token, session);
    if (name === 'ServerSentEvents') {
      session.response = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\r\n');
    } else if (!known) response.end();
    else {
      session.response = response;
      this.#flush(session);
    }
  }

  #take(session: Session, request: Request): void {
    for (const record of request.body.split(END).slice(0, -1)) {
      const message = JSON.parse(record) as Received;
      if (session.client) {
        session.client.received.push(message);
        session.react?.(message);
        continue;
      }
      session.client = this.#clientOf(session, request, message);
      this.clients.push(session.client);
      this.#write(session, `{}${END}`);
      session.react = (this.#options.behaves ?? echoes)(session.client);
    }
  }

  #write(session: Session, record: string): void {
    session.waiting += record;
    this.#flush(session);
  }

  #flush(session: Session): void {
    const { response, waiting, name, ended } = session;
    if (!response) return;
    if (name === 'ServerSentEvents') {
      if (waiting) response.write(`data: ${waiting}\r\n\r\n`);
      if (ended) response.end();
    } else if (waiting || ended) {
      response.writeHead(waiting ? 200 : 204).end(waiting);
      session.response = undefined;
    }
    session.waiting = '';
  }

  #clientOf(session: Session, { url, headers }: Asked, handshake: Received): Client {
    return {
      url,
      headers,
      handshake,
      received: [],
      send: (...messages) => this.#write(session, messages.map((message) => JSON.stringify(message) + END).join('')),
      drop: () => session.response?.destroy(),
      close: () => {
        session.ended = true;
        this.#flush(session);
      },
      onceControl: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}
