import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const END = '\u001e';
export const HANDSHAKE = `{"protocol":"json","version":1}${END}`;
export const record = (message: object): string => JSON.stringify(message) + END;

/** Speaks to one connection by single HTTP requests. */
export class HttpClient {
  readonly connectionId: string;
  /** The url with the connection token. */
  readonly url: string;
  #polls = 0;

  constructor(hubUrl: string, { connectionId, connectionToken }: { readonly connectionId: string; readonly connectionToken: string }) {
    this.connectionId = connectionId;
    this.url = `${hubUrl}?id=${connectionToken}`;
  }

  static async negotiate(hubUrl: string, headers: Record<string, string> = {}): Promise<HttpClient> {
    const response = await fetch(`${hubUrl}/negotiate?negotiateVersion=1`, { method: 'POST', headers });
    return new HttpClient(hubUrl, (await response.json()) as HttpClient & { connectionToken: string });
  }

  /** Opens a connection over long polling, after its handshake. */
  static async polling(hubUrl: string): Promise<HttpClient> {
    const client = await HttpClient.negotiate(hubUrl);
    await client.poll();
    await client.post(HANDSHAKE);
    await client.poll();
    return client;
  }

  /** Polls with a number, as SignalR's clients do, so that the test knows when the poll has arrived. */
  poll(init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}&_=${this.connectionId}-${++this.#polls}`, init);
  }
  get lastPoll(): string {
    return `${this.connectionId}-${this.#polls}`;
  }

  /** Writes a request to a new socket. */
  async raw(method: string, { headers = {}, body = '' }: { headers?: Record<string, string>; body?: string } = {}): Promise<Socket> {
    const { hostname, port, host, pathname, search } = new URL(this.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${method} ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
    return socket;
  }

  async events(headers: Record<string, string> = {}): Promise<EventStream> {
    return new EventStream(await fetch(this.url, { headers: { accept: 'text/event-stream', ...headers } }));
  }

  post(body: string | Uint8Array, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url, { method: 'POST', body: typeof body === 'string' ? body : new Blob([Uint8Array.from(body)]), ...init });
  }

  leave(): Promise<Response> {
    return fetch(this.url, { method: 'DELETE' });
  }
}

/** Reads an event stream. */
export class EventStream implements AsyncDisposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #utf8 = new TextDecoder();
  text = '';

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body?.getReader();
  }

  /** Reads until the text is there, and returns all text so far. @throws Error if the stream ends before */
  async until(wanted: string): Promise<string> {
    while (!this.text.includes(wanted)) {
      if (!(await this.#read())) throw new Error(`The stream has ended before ${JSON.stringify(wanted)}: ${JSON.stringify(this.text)}`);
    }
    return this.text;
  }

  async end(): Promise<string> {
    while (await this.#read());
    return this.text;
  }

  async #read(): Promise<boolean> {
    const { value, done } = (await this.#reader?.read()) ?? { done: true };
    this.text += this.#utf8.decode(value, { stream: !done });
    return !done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.cancel();
  }
}
