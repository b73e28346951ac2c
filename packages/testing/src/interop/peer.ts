export const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;
export type TransportName = (typeof TRANSPORTS)[number];
export const PROTOCOLS = ['json', 'messagepack'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

/** The features of a SignalR client library that the behaviours use. An adapter implements it for each library. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** Creates a connection that is not started. */
  connect(url: string, options: ConnectOptions): PeerConnection;
  /** Creates a stream to the server, which is passed as an argument of a call. */
  upload(): Upload;
}

export interface ConnectOptions {
  readonly transports: readonly TransportName[];
  readonly protocol: ProtocolName;
  readonly accessToken?: () => string | Promise<string>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether a page sends cookies to another origin. Default true. */
  readonly withCredentials?: boolean;
  readonly skipNegotiation?: boolean;
  /**
   * Whether the client reconnects automatically, or its own policy: the delay before an attempt in milliseconds, or null to give up.
   * Attempts count from 0. Default false.
   */
  readonly reconnects?: boolean | ((attempt: number) => number | null);
  /** The interval of the client's pings in milliseconds. Default 15,000. */
  readonly keepAliveMs?: number;
  /** The server timeout in milliseconds. Default 30,000. */
  readonly serverTimeoutMs?: number;
}

export interface PeerConnection {
  readonly connectionId: string | null;
  start(): Promise<void>;
  stop(): Promise<void>;
  invoke(method: string, ...args: readonly unknown[]): Promise<unknown>;
  send(method: string, ...args: readonly unknown[]): Promise<void>;
  /** Starts a stream. Returns a function that cancels it. */
  stream(observer: Observer, method: string, ...args: readonly unknown[]): () => void;
  on(method: string, receive: (...args: readonly unknown[]) => unknown): void;
  onClosed(then: (error?: Error) => void): void;
  onReconnecting(then: () => void): void;
  onReconnected(then: (connectionId: string | undefined) => void): void;
  /** Sets the URL of the next connection. */
  moveTo(url: string): void;
  /** Breaks the connection so that the client notices it. */
  lose(): void;
}

export interface Observer {
  next(item: unknown): void;
  complete(): void;
  error(error: Error): void;
}

export interface Upload {
  next(item: unknown): void;
  complete(): void;
  error(error: Error): void;
}
