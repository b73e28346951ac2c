import { Deferred } from './check.ts';
import type { ConnectOptions, Peer, PeerConnection, ProtocolName, TransportName, Upload } from './peer.ts';

export interface WorldOptions {
  /** The URL of a conformance server. */
  readonly url: string;
  readonly peer: Peer;
  readonly transport: TransportName;
  readonly protocol: ProtocolName;
}

/** The environment of one behaviour: a client library, a server, a transport and a protocol. Disposing of it stops its connections. */
export class World implements AsyncDisposable {
  readonly url: string;
  readonly transport: TransportName;
  readonly protocol: ProtocolName;
  readonly #peer: Peer;
  readonly #connections: PeerConnection[] = [];

  constructor({ url, peer, transport, protocol }: WorldOptions) {
    this.url = url;
    this.transport = transport;
    this.protocol = protocol;
    this.#peer = peer;
  }

  /** Creates a connection that is not started. */
  connection(path = '/testhub', options: Partial<ConnectOptions> = {}): PeerConnection {
    const connection = this.#peer.connect(this.url + path, { transports: [this.transport], protocol: this.protocol, ...options });
    this.#connections.push(connection);
    return connection;
  }

  async started(path?: string, options?: Partial<ConnectOptions>): Promise<PeerConnection> {
    const connection = this.connection(path, options);
    await connection.start();
    return connection;
  }

  upload(): Upload {
    return this.#peer.upload();
  }

  /** Returns the body of a route's response. */
  async get(path: string): Promise<string> {
    return (await fetch(this.url + path)).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.stop()));
  }
}

/** Collects all items of a stream. Rejects if the stream ends with an error. */
export function collect(connection: PeerConnection, method: string, ...args: readonly unknown[]): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  const over = new Deferred<readonly unknown[]>();
  connection.stream({ next: (item) => items.push(item), complete: () => over.resolve(items), error: over.reject }, method, ...args);
  return over.promise;
}

/** Resolves with the first argument of the next event with this name. */
export function nextEvent(connection: PeerConnection, method: string): Promise<unknown> {
  const signal = new Deferred<unknown>();
  connection.on(method, (...args) => signal.resolve(args[0]));
  return signal.promise;
}
