import { once } from 'node:events';
import { WebSocket } from 'ws';

/** A message as it came. */
export interface Heard {
  readonly type?: number;
  readonly target?: string;
  readonly arguments?: readonly unknown[];
  readonly invocationId?: string;
  readonly [field: string]: unknown;
}

export interface ClientOptions {
  readonly user?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>>;
  /** What it does when it is asked. Default: it answers 1. */
  readonly asked?: (client: Client, invocationId: string) => void;
}

const END = '\u001e';

/** A connection of the testhub: a socket, and what came over it. It takes next to nothing, so that there can be a thousand. */
export class Client implements AsyncDisposable {
  readonly user: string | undefined;
  readonly attributes: Record<string, string>;
  readonly groups = new Set<string>();
  /** What it was told: the first arguments of events, as text. */
  readonly told: string[] = [];
  /** Ids of what it was asked, and of what was called off. */
  readonly asked: string[] = [];
  readonly cancelled: string[] = [];
  readonly closed: Promise<unknown>;
  isClosed = false;
  readonly #socket: WebSocket;
  readonly #asked: NonNullable<ClientOptions['asked']>;
  #id: string | undefined;
  #rest = '';
  #wake = (): void => undefined;
  #greeted = false;

  private constructor(url: string, { user, attributes = {}, asked = (client, id) => client.answer(id, 1) }: ClientOptions) {
    this.user = user;
    this.attributes = { ...attributes };
    this.#asked = asked;
    const query = new URLSearchParams(Object.entries(attributes).map(([key, value]) => [`attr.${key}`, value]));
    if (user !== undefined) query.set('user', user);
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/testhub?${String(query)}`, { perMessageDeflate: false });
    this.#socket.on('message', (data: Buffer) => this.#hear(data.toString()));
    this.closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** Resolves when it is connected, and knows its id. @throws Error where it was closed before that */
  static async open(node: { readonly url: string }, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(node.url, options);
    await once(client.#socket, 'open');
    client.#socket.on('error', () => undefined); // `closed` tells
    const greeted = new Promise<void>((resolve) => (client.#wake = resolve));
    client.#say({ protocol: 'json', version: 1, hubline: 1 });
    await greeted;
    if (client.isClosed) throw new Error('It was closed before it was greeted.');
    const named = new Promise<void>((resolve) => (client.#wake = resolve));
    client.#say({ type: 1, invocationId: 'id', target: 'GetCallerConnectionId', arguments: [] });
    await named;
    if (client.#id === undefined) throw new Error('It was closed before it had an id.');
    return client;
  }

  get id(): string {
    return this.#id ?? '';
  }
  get process(): string {
    return this.id.slice(0, 11);
  }

  answer(invocationId: string, result: unknown): void {
    this.#say({ type: 3, invocationId, result });
  }
  fail(invocationId: string, error: string): void {
    this.#say({ type: 3, invocationId, error });
  }

  /** So that it is not taken for gone. */
  ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#say({ type: 6 });
  }

  /** Says goodbye. */
  async leave(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }

  /** Is gone, and says nothing. */
  drop(): void {
    this.#socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    if (!this.isClosed) await this.closed;
  }

  #say(message: object): void {
    this.#socket.send(JSON.stringify(message) + END);
  }

  #hear(data: string): void {
    const records = (this.#rest + data).split(END);
    this.#rest = records.pop() ?? '';
    for (const record of records) this.#take(JSON.parse(record) as Heard);
  }

  #take(message: Heard): void {
    if (!this.#greeted) {
      this.#greeted = true;
      return this.#wake();
    }
    const { type, invocationId } = message;
    if (type === 3 && invocationId === 'id') {
      this.#id = String(message.result);
      this.#wake();
    } else if (type === 1 && invocationId !== undefined) {
      this.asked.push(invocationId);
      this.#asked(this, invocationId);
    } else if (type === 1) {
      this.told.push(String(message.arguments?.[0]));
    } else if (type === 5 && invocationId !== undefined) {
      this.cancelled.push(invocationId);
    }
  }
}
