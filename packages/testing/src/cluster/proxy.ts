import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Pipe } from './pipe.ts';
import { reset } from './reset.ts';
import { onStablePort } from './stable-port.ts';

/** Starts a TCP proxy in front of `target`, the URL of a server. It forwards everything until a fault is caused. */
export async function startProxy(target: string, { name = 'link' }: ProxyOptions = {}): Promise<TcpProxy> {
  return onStablePort(async (port) => {
    const proxy = new TcpProxy(new URL(target), { name, port });
    await proxy.listen();
    return proxy;
  });
}

export interface ProxyOptions {
  /** Appears in the names of faults. Default `link`. */
  readonly name?: string;
}

/** A client connection with its connection to the target. */
interface ProxiedConnection {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: readonly [up: Pipe, down: Pipe];
}

/** A TCP proxy on which faults of a network can be caused. */
export class TcpProxy implements AsyncDisposable {
  readonly name: string;
  /** The URL of the target with the port of the proxy. */
  readonly url: string;
  readonly port: number;
  readonly #target: URL;
  readonly #passages = new Set<ProxiedConnection>();
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

  /** The number of open connections. */
  get connections(): number {
    return this.#passages.size;
  }

  /** The number of connections that were accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** The bytes that were received from clients, forwarded or not. */
  get bytesUp(): number {
    return this.#bytesUp;
  }

  /** The bytes that were received from the target, forwarded or not. */
  get bytesDown(): number {
    return this.#bytesDown;
  }

  async listen(): Promise<void> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    listener.listen(this.port, '127.0.0.1');
    await once(listener, 'listening');
    this.#listener = listener;
  }

  /** Destroys every open connection, and accepts new ones. */
  drop(): void {
    for (const { client, server } of this.#passages) {
      reset(client);
      reset(server);
    }
  }

  /** Refuses new connections, and keeps the open ones. */
  refuse(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  /** Destroys every connection and refuses new ones. */
  cut(): void {
    this.refuse();
    this.drop();
  }

  /** Delays data and the end of connections by `ms` in each direction, and keeps the order. */
  delay(ms: number): void {
    this.#delayMs = ms;
    for (const { pipes } of this.#passages) for (const pipe of pipes) pipe.delay(ms);
  }

  /** Forwards nothing and closes nothing, on open and new connections. */
  halfOpen(): void {
    this.#isHeld = true;
    for (const { pipes } of this.#passages) for (const pipe of pipes) pipe.hold();
  }

  /** Ends all faults. Held data is forwarded now, as after a network partition. */
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
    const passage: ProxiedConnection = { client, server, pipes: [up, down] };
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
