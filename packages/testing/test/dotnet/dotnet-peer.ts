import { startProxy, type TcpProxy } from '@hubline/testing/cluster';
import type { ConnectOptions, Observer, Peer, PeerConnection, ProtocolName } from '@hubline/testing/interop';
import { DotnetProgram } from './program.ts';
import { classOf, DotnetUpload, fromWire, toWire } from './values.ts';

export const DOTNET_CLIENT = { name: 'Microsoft.AspNetCore.SignalR.Client', version: '10.0.15' };

type Command = Readonly<Record<string, unknown>>;
type Reply = { readonly value?: unknown; readonly error?: string };
interface Event {
  readonly event: 'token' | 'delay' | 'called' | 'received' | 'closed' | 'reconnecting' | 'reconnected' | 'item' | 'completed' | 'failed';
  /** The name of the connection or stream. */
  readonly source: string;
  readonly method?: string;
  readonly value?: unknown;
  /** Present if the program waits for an answer. */
  readonly request?: number;
}
type Receive = (event: Event) => unknown;

/** The number of arguments with which the conformance server calls each receiver. A .NET program must declare them. Default 1. */
const PARAMETERS: Readonly<Record<string, number>> = { streamcanceled: 0, result: 0, otherresult: 0, noresult: 0 };

/** Microsoft's .NET client, driven by commands in a process of its own. */
export class DotnetPeer implements Peer, AsyncDisposable {
  readonly name = DOTNET_CLIENT.name;
  readonly version = DOTNET_CLIENT.version;
  readonly #program: DotnetProgram;
  readonly #replies = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #receivers = new Map<string, Receive>();
  readonly #json: 'json' | 'newtonsoft';
  #last = 0;

  /** `json` is the library of the protocol `json`: System.Text.Json, or Newtonsoft.Json. */
  constructor({ json = 'json' }: { readonly json?: 'json' | 'newtonsoft' } = {}) {
    this.#json = json;
    this.#program = new DotnetProgram('Client', [], (line) => this.#receive(JSON.parse(line) as Event | ({ readonly id: number } & Reply)));
    this.#program.failed().catch((error: Error) => {
      for (const { reject } of this.#replies.values()) reject(error);
    });
  }

  connect(url: string, options: ConnectOptions): PeerConnection {
    return new DotnetConnection(this, url, options);
  }

  /** Returns the name by which the program knows a protocol. */
  nameOf(protocol: ProtocolName): string {
    return protocol === 'json' ? this.#json : protocol;
  }

  upload(): DotnetUpload {
    return new DotnetUpload(this.newName(), (command) => this.write(command));
  }

  newName(): string {
    return `n${++this.#last}`;
  }

  write(command: Command): void {
    this.#program.write(JSON.stringify(command));
  }

  /** Resolves with the reply to a command. */
  ask(command: Command): Promise<unknown> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, { resolve, reject });
      this.write({ id, ...command });
    });
  }

  /** Takes the events of a connection or a stream. */
  listen(source: string, receive: Receive): void {
    this.#receivers.set(source, receive);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }

  #receive(line: Event | ({ readonly id: number } & Reply)): void {
    if ('event' in line) return void this.#handle(line);
    const waiting = this.#replies.get(line.id);
    this.#replies.delete(line.id);
    if (line.error === undefined) waiting?.resolve(line.value);
    else waiting?.reject(new Error(line.error));
  }

  async #handle(event: Event): Promise<void> {
    const receive = this.#receivers.get(event.source);
    if (event.request === undefined) return void receive?.(event);
    const answer = { op: 'answer', name: event.source, request: event.request };
    try {
      this.write({ ...answer, value: toWire(await receive?.(event)) });
    } catch (error) {
      this.write({ ...answer, error: String(error) });
    }
  }
}

class DotnetConnection implements PeerConnection {
  connectionId: string | null = null;
  readonly #peer: DotnetPeer;
  readonly #name: string;
  readonly #url: URL;
  readonly #options: ConnectOptions;
  readonly #receivers = new Map<string, (...args: readonly unknown[]) => unknown>();
  #closed: (error?: Error) => void = () => undefined;
  #reconnecting = (): void => undefined;
  #reconnected: (connectionId: string | undefined) => void = () => undefined;
  /** Between client and server, so that the connection can be cut. It is made with the first start. */
  #proxy: TcpProxy | undefined;

  constructor(peer: DotnetPeer, url: string, options: ConnectOptions) {
    this.#peer = peer;
    this.#name = peer.newName();
    this.#url = new URL(url);
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#proxy) await this.#proxy.heal();
    else await this.#connect();
    try {
      this.connectionId = (await this.#peer.ask({ op: 'start', name: this.#name })) as string | null;
    } catch (error) {
      throw inTheWordsOfJavaScript(error as Error);
    }
  }

  async stop(): Promise<void> {
    if (this.#proxy) await this.#peer.ask({ op: 'stop', name: this.#name });
    this.#proxy?.cut(); // frees its port
    this.connectionId = null;
  }

  async invoke(method: string, ...args: readonly unknown[]): Promise<unknown> {
    const { protocol } = this.#options;
    const result = classOf(method);
    const command = { op: 'invoke', name: this.#name, method, args: args.map(toWire) };
    const value = await this.#peer.ask({ ...command, ...(result ? { result: result.name } : {}) });
    if (result) return protocol === 'json' ? value : result.toMessagePack(value as object);
    return fromWire(value, protocol);
  }

  async send(method: string, ...args: readonly unknown[]): Promise<void> {
    await this.#peer.ask({ op: 'send', name: this.#name, method, args: args.map(toWire) });
  }

  stream(observer: Observer, method: string, ...args: readonly unknown[]): () => void {
    const stream = this.#peer.newName();
    this.#peer.listen(stream, ({ event, value }) => {
      if (event === 'item') observer.next(fromWire(value, this.#options.protocol));
      else if (event === 'completed') observer.complete();
      else observer.error(new Error(String(value)));
    });
    this.#peer.write({ op: 'stream', name: this.#name, stream, method, args: args.map(toWire) });
    return () => this.#peer.write({ op: 'cancel', name: stream });
  }

  on(method: string, receive: (...args: readonly unknown[]) => unknown): void {
    this.#receivers.set(method, receive);
    if (this.#proxy) this.#declare(method);
  }
  onClosed(then: (error?: Error) => void): void {
    this.#closed = then;
  }
  onReconnecting(then: () => void): void {
    this.#reconnecting = then;
  }
  onReconnected(then: (connectionId: string | undefined) => void): void {
    this.#reconnected = then;
  }
  moveTo(): void {
    // The URL of a .NET connection is fixed.
  }
  lose(): void {
    this.#proxy?.cut();
  }

  async #connect(): Promise<void> {
    const {
      accessToken,
      headers = {},
      skipNegotiation = false,
      reconnects = false,
      serverTimeoutMs,
      keepAliveMs,
      ...options
    } = this.#options;
    const proxy = (this.#proxy = await startProxy(this.#url.origin));
    this.#peer.listen(this.#name, (event) => this.#receive(event));
    const url = proxy.url + this.#url.pathname + this.#url.search;
    const protocol = this.#peer.nameOf(this.#options.protocol);
    const more = {
      ...{ protocol, headers, skipNegotiation, hasToken: accessToken !== undefined },
      ...{ reconnects: reconnects !== false, hasPolicy: typeof reconnects === 'function' },
      ...(serverTimeoutMs ? { serverTimeoutMs } : {}),
      ...(keepAliveMs ? { keepAliveMs } : {}),
    };
    this.#peer.write({ op: 'connect', name: this.#name, url, ...options, ...more });
    for (const method of this.#receivers.keys()) this.#declare(method);
  }

  #declare(method: string): void {
    const parameters = PARAMETERS[method.toLowerCase()] ?? 1;
    this.#peer.write({ op: 'on', name: this.#name, method, parameters, hasResult: method === 'Result' || method === 'OtherResult' });
  }

  #receive({ event, method = '', value }: Event): unknown {
    const { accessToken, reconnects } = this.#options;
    if (event === 'token') return accessToken?.();
    if (event === 'delay' && typeof reconnects === 'function') return reconnects(value as number);
    if (event === 'called' || event === 'received') {
      return this.#receivers.get(method)?.(...(fromWire(value, this.#options.protocol) as readonly unknown[]));
    }
    if (event === 'closed') {
      this.connectionId = null;
      return this.#closed(typeof value === 'string' ? inTheWordsOfJavaScript(new Error(value)) : undefined);
    }
    if (event === 'reconnecting') {
      this.connectionId = null;
      void this.#proxy?.heal();
      return this.#reconnecting();
    }
    this.connectionId = value as string | null;
    return this.#reconnected((value as string | null) ?? undefined);
  }
}

/** Replaces an error text of the .NET client by that of the JavaScript client, which the behaviours expect. */
function inTheWordsOfJavaScript(error: Error): Error {
  const [, status] = /status code does not indicate success: (\d+)/.exec(error.message) ?? [];
  if (status === '401') return new Error("Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'");
  if (status !== undefined) return new Error(`Status code '${status}'`);
  if (error.message.startsWith('None of the transports')) return new Error(`any of the available transports: ${error.message}`);
  return new Error(error.message.replace(/^Server timeout \([\d.]+ms\) elapsed/, 'Server timeout elapsed'));
}
