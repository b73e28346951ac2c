import { WebSocket } from 'ws';

/** Returns the result of a call; an error becomes the client's error. */
export type Answer = (question: string) => string | Promise<string>;

/** A call of the server. */
export interface ServerCall {
  readonly invocationId: string;
  readonly question: string;
}

interface Message {
  readonly type: number;
  readonly target?: string;
  readonly invocationId?: string;
  readonly arguments?: readonly string[];
  readonly result?: unknown;
  readonly error?: string;
  readonly allowReconnect?: boolean;
  readonly code?: string;
}

const END = '\x1e';

/** A plain SignalR client that keeps each message, and answers calls if it has an `answer`. */
export class RawClient implements AsyncDisposable {
  /** All received messages but pings, in order. */
  readonly messages: Message[] = [];
  /** The texts of received `said` events. */
  readonly said: string[] = [];
  readonly asked: ServerCall[] = [];
  /** The ids of calls that the server has cancelled. */
  readonly cancelled: string[] = [];
  /** Resolves when the socket is closed. */
  readonly ended: Promise<void>;
  /** The close message of the server. */
  goodbye: Message | undefined;
  id = '';
  readonly #socket: WebSocket;
  readonly #answer: Answer | undefined;
  readonly #calls = new Map<string, (completion: Message) => void>();
  #welcome: () => void = () => undefined;
  #nextCall = 1;

  private constructor(url: string, answer: Answer | undefined) {
    this.#socket = new WebSocket(url.replace(/^http/, 'ws'));
    this.#answer = answer;
    this.ended = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('message', (data: Buffer) => {
      for (const text of data.toString().split(END)) if (text !== '' && text !== '{}') this.#take(JSON.parse(text) as Message);
    });
  }

  /** Resolves when the hub has sent the connection's id, which is after all earlier messages. */
  static async connect(url: string, { answer, extensions }: { answer?: Answer | undefined; extensions?: object | undefined } = {}) {
    const client = new RawClient(url, answer);
    const welcomed = new Promise<void>((resolve) => (client.#welcome = resolve));
    const failed = new Promise<never>((_resolve, reject) => client.#socket.once('error', reject));
    await Promise.race([new Promise((resolve) => client.#socket.once('open', resolve)), failed]);
    client.#send({ protocol: 'json', version: 1, ...extensions });
    await Promise.race([welcomed, failed, client.ended.then(() => Promise.reject(new Error('The server closed the connection.')))]);
    return client;
  }

  async call(target: string, ...args: readonly unknown[]): Promise<unknown> {
    const invocationId = String(this.#nextCall++);
    const completed = new Promise<Message>((resolve) => this.#calls.set(invocationId, resolve));
    this.#send({ type: 1, invocationId, target, arguments: args });
    const lost = this.ended.then((): Message => ({ type: 3, error: 'The connection is lost.' }));
    const { error, result } = await Promise.race([completed, lost]);
    if (error !== undefined) throw new Error(error);
    return result;
  }

  reply({ invocationId }: ServerCall, settled: { readonly result: unknown } | { readonly error: string }): void {
    this.#send({ type: 3, invocationId, ...settled });
  }

  /** Closes the socket as a page does. */
  async close(): Promise<void> {
    this.#socket.close(1000);
    await this.ended;
  }

  /** Cuts the socket without a close frame. */
  drop(): void {
    this.#socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    await this.ended;
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message) + END);
  }

  #take(message: Message): void {
    if (message.type === 6) return;
    this.messages.push(message);
    const { type, target, invocationId, arguments: [text = ''] = [] } = message;
    if (type === 3 && invocationId !== undefined) this.#calls.get(invocationId)?.(message);
    else if (type === 5 && invocationId !== undefined) this.cancelled.push(invocationId);
    else if (type === 7) this.goodbye = message;
    else if (target === 'said') this.said.push(text);
    else if (target === 'welcome') this.#welcomed(text);
    else if (target === 'confirm' && invocationId !== undefined) void this.#confirm({ invocationId, question: text });
  }

  #welcomed(id: string): void {
    this.id = id;
    this.#welcome();
  }

  async #confirm(asked: ServerCall): Promise<void> {
    this.asked.push(asked);
    if (!this.#answer) return;
    try {
      this.reply(asked, { result: await this.#answer(asked.question) });
    } catch (error) {
      this.reply(asked, { error: String(error) });
    }
  }
}
