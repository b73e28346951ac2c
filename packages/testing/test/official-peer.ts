import { HttpTransportType, HubConnectionBuilder, LogLevel, Subject, VERSION, type HubConnection } from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import type { ConnectOptions, Observer, Peer, PeerConnection } from '@hubline/testing/interop';

/** The official client of SignalR. */
export const officialPeer: Peer = {
  name: '@microsoft/signalr',
  version: VERSION,
  connect: (url, options) => new OfficialConnection(url, options),
  upload: () => new Subject<unknown>(),
};

class OfficialConnection implements PeerConnection {
  readonly #hub: HubConnection;

  constructor(url: string, { transports, protocol, accessToken, headers, ...options }: ConnectOptions) {
    const { skipNegotiation = false, reconnects = false, serverTimeoutMs = 30_000 } = options;
    const builder = new HubConnectionBuilder()
      .withUrl(url, {
        transport: transports.reduce((bits, name) => bits | HttpTransportType[name], HttpTransportType.None),
        skipNegotiation,
        ...(accessToken ? { accessTokenFactory: accessToken } : {}),
        ...(headers ? { headers } : {}),
      })
      .configureLogging(LogLevel.None)
      .withServerTimeout(serverTimeoutMs);
    if (protocol === 'messagepack') builder.withHubProtocol(new MessagePackHubProtocol());
    if (reconnects) builder.withAutomaticReconnect();
    this.#hub = builder.build();
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
  /** As in the official tests, which have no other way either. */
  lose(): void {
    (this.#hub as unknown as { serverTimeout(): void }).serverTimeout();
  }
}
