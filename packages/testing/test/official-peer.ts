import type * as SignalR from '@microsoft/signalr';
import type * as MessagePack from '@microsoft/signalr-protocol-msgpack';
import type { ConnectOptions, Observer, Peer, PeerConnection } from '@hubline/testing/interop';
import type { Difference } from './matrix.ts';

/** The parts of the official packages that the adapter uses. They are passed in, because pages load them from elsewhere. */
type Library = Pick<typeof SignalR, 'HttpTransportType' | 'HubConnectionBuilder' | 'LogLevel' | 'Subject' | 'VERSION'> &
  Pick<typeof MessagePack, 'MessagePackHubProtocol'>;

/** The behaviours that Microsoft's client does not have in Node. */
export const OFFICIAL_IN_NODE: readonly Difference[] = [
  {
    behaviour: 'sends no cookies if withCredentials is false',
    why: 'in Node it stores and sends cookies also if withCredentials is false',
  },
];

/** The adapter of the official SignalR client. */
export const officialPeer = (library: Library): Peer => ({
  name: '@microsoft/signalr',
  version: library.VERSION,
  connect: (url, options) => new OfficialConnection(build(library, url, options)),
  upload: () => new library.Subject<unknown>(),
});

function build(library: Library, url: string, options: ConnectOptions): SignalR.HubConnection {
  const { transports, protocol, accessToken, headers, withCredentials = true } = options;
  const { skipNegotiation = false, reconnects = false, serverTimeoutMs = 30_000, keepAliveMs = 15_000 } = options;
  const { HttpTransportType, HubConnectionBuilder, LogLevel, MessagePackHubProtocol } = library;
  const builder = new HubConnectionBuilder()
    .withUrl(url, {
      transport: transports.reduce((bits, name) => bits | HttpTransportType[name], HttpTransportType.None),
      skipNegotiation,
      withCredentials,
      ...(accessToken ? { accessTokenFactory: accessToken } : {}),
      ...(headers ? { headers } : {}),
    })
    .configureLogging(LogLevel.None)
    .withServerTimeout(serverTimeoutMs)
    .withKeepAliveInterval(keepAliveMs);
  if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol());
  if (typeof reconnects === 'function') {
    builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: ({ previousRetryCount }) => reconnects(previousRetryCount) });
  } else if (reconnects) builder.withAutomaticReconnect();
  return builder.build();
}

class OfficialConnection implements PeerConnection {
  readonly #hub: SignalR.HubConnection;

  constructor(hub: SignalR.HubConnection) {
    this.#hub = hub;
  }

  get connectionId(): string | null {
    return this.#hub.connectionId;
  }
  start(): Promise<void> {
    return this.#hub.start();
  }
  stop(): Promise<void> {
    return this.#hub.stop();
  }
  invoke(method: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#hub.invoke(method, ...args);
  }
  send(method: string, ...args: readonly unknown[]): Promise<void> {
    return this.#hub.send(method, ...args);
  }
  stream(observer: Observer, method: string, ...args: readonly unknown[]): () => void {
    const subscription = this.#hub.stream(method, ...args).subscribe(observer);
    return () => subscription.dispose();
  }
  on(method: string, receive: (...args: readonly unknown[]) => unknown): void {
    this.#hub.on(method, receive);
  }
  onClosed(then: (error?: Error) => void): void {
    this.#hub.onclose(then);
  }
  onReconnecting(then: () => void): void {
    this.#hub.onreconnecting(then);
  }
  onReconnected(then: (connectionId: string | undefined) => void): void {
    this.#hub.onreconnected(then);
  }
  moveTo(url: string): void {
    this.#hub.baseUrl = url;
  }
  /** As in the official tests: the client has no public way to do this. */
  lose(): void {
    (this.#hub as unknown as { serverTimeout(): void }).serverTimeout();
  }
}
