export const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;
export type TransportName = (typeof TRANSPORTS)[number];
export const PROTOCOLS = ['json', 'messagepack'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

/** A SignalR client library, as far as the behaviours use one. An adapter makes one of any. */
export interface Peer {
  readonly name: string;
  readonly version: string;
  /** A connection that is not started. */
  connect(url: string, options: ConnectOptions): PeerConnection;
  /** A stream to send: it goes among the arguments of a call. */
  upload(): Upload;
}

export interface ConnectOptions {
  readonly transports: readonly TransportName[];
  readonly protocol: ProtocolName;
  readonly accessToken?: () => string | Promise<string>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether a page has the cookies of another origin sent along. Default true. */
  readonly withCredentials?: boolean;
  readonly skipNegotiation?: boolean;
  /** Whether it connects again by itself. Default false. */
  readonly reconnects?: boolean;
  /** How long the server may be silent. Default 30000. */
  readonly serverTimeoutMs?: number;
}

export interface PeerConnection {
  readonly connectionId: string | null;
  start(): Promise<void>;
  stop(): Promise<void>;
  invoke(method: string, ...args: readonly unknown[]): Promise<unknown>;
  send(method: string, ...args: readonly unknown[]): Promise<void>;
  /** Returns what cancels the stream. */
  stream(observer: Observer, method: string, ...args: readonly unknown[]): () => void;
  on(method: string, receive: (...args: readonly unknown[]) => unknown): void;
  onClosed(then: (error?: Error) => void): void;
  onReconnecting(then: () => void): void;
  onReconnected(then: (connectionId: string | undefined) => void): void;
  /** Sets the URL of the next connection. */
  moveTo(url: string): void;
  /** The connection is lost, and the client notices. */
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
