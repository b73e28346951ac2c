import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Pipe } from './pipe.ts';
import { reset } from './reset.ts';
import { onStablePort } from './stable-port.ts';

/** Stands before `target`, a URL of a server that speaks over TCP, and passes everything on until it is told otherwise. */
export async function startProxy(target: string, { name = 'link' }: ProxyOptions = {}): Promise<TcpProxy> {
  return onStablePort(async (port) => {
    const proxy = new TcpProxy(new URL(target), { name, port });
    await proxy.listen();
    return proxy;
  });
}

export interface ProxyOptions {
  /** For messages. Default `link`. */
  readonly name?: string;
}

interface Passage {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: readonly [up: Pipe, down: Pipe];
}

export class TcpProxy implements AsyncDisposable {
  readonly name: string;
  /** That of the target, with our port. */
  readonly url: string;
  readonly port: number;
  readonly #target: URL;
  readonly #passages = new Set<Passage>();
  #listener: Server | undefined;
  #delayMs = 0;
  #isHeld = false;
  #accepted = 0;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(target: URL, { name, port }: { readonly name: string; readonly port: number }) {
    if (target.port === '') throw new Error(`A target has a port: ${target.href}`);
    this.name = name;
    this.#target = target;
    this.port = port;
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(port);
    this.url = url.href.replace(/\/$/, '');
  }

  /** How many connections there are now. */
  get connections(): number {
    return this.#passages.size;
  }

  /** How many there ever were. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Bytes received from clients, forwarded or not. */
  get bytesUp(): number {
    return this.#bytesUp;
  }

  /** Bytes received from the target. */
  get bytesDown(): number {
    return this.#bytesDown;
  }

  async listen(): Promise<void> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    listener.listen(this.port, '127.0.0.1');
    await once(listener, 'listening');
    this.#listener = listener;
  }

  /** Destroys every connection. New ones are welcome. */
  drop(): void {
    for (const { client, server } of this.#passages) {
      reset(client);
      reset(server);
    }
  }

  /** Refuses new connections; those there are live on. */
  refuse(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  /** Destroys every connection and refuses new ones. */
  cut(): void {
    this.refuse();
    this.drop();
  }

  /** Everything, the end of a connection too, takes this long each way, in order. */
  delay(ms: number): void {
    this.#delayMs = ms;
    for (const { pipes } of this.#passages) for (const pipe of pipes) pipe.delay(ms);
  }

  /** Nothing passes any more, and nothing closes: neither on the connections there are nor on new ones. */
  halfOpen(): void {
    this.#isHeld = true;
    for (const { pipes } of this.#passages) for (const pipe of pipes) pipe.hold();
  }

  /** Undoes everything. What was held goes on its way now, as after a partition. */
  async heal(): Promise<void> {
    this.delay(0);
    this.#isHeld = false;
    for (const { pipes } of this.#passages) for (const pipe of pipes) pipe.release();
    if (!this.#listener) await this.listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#listener && once(this.#listener, 'close');
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    const server = connect({ port: Number(this.#target.port), host: this.#target.hostname, allowHalfOpen: true, noDelay: true });
    const up = new Pipe(client, server, (bytes) => (this.#bytesUp += bytes));
    const down = new Pipe(server, client, (bytes) => (this.#bytesDown += bytes));
    const passage: Passage = { client, server, pipes: [up, down] };
    this.#passages.add(passage);
    for (const pipe of passage.pipes) {
      pipe.delay(this.#delayMs);
      if (this.#isHeld) pipe.hold();
    }
    let open = 2;
    for (const socket of [client, server]) {
      socket.once('close', () => {
        if (--open === 0) this.#passages.delete(passage);
      });
    }
  }
}
