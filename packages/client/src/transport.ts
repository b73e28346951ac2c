import type { TransportName, Wire } from '@hubline/protocol';
import type { AccessToken } from './access-token.ts';

/** An open connection of a transport. The signal of its {@link OpenRequest} closes it. */
export interface Pipe {
  /** Sends encoded messages. Never throws; `closed` reports a broken pipe. */
  send(wire: Wire): void;
  /** Resolves when the pipe is closed by either side, within seconds of the signal. Never rejects. */
  readonly closed: Promise<PipeEnd>;
  /** How many bytes wait to be sent. */
  readonly bufferedAmount: number;
  /** Sends a ping of the transport itself, if the runtime can. The pong is received as data without content. */
  readonly ping?: (() => void) | undefined;
  /** Whether the pipe receives by polls. There are then no pings and no server time-out: each request has a time limit. */
  readonly polls?: boolean;
}

export interface PipeEnd {
  /** The close code of a WebSocket. */
  readonly closeCode?: number;
  /** The HTTP status of a refused request. */
  readonly status?: number | undefined;
  readonly reason?: string;
}

/** How requests are sent. The application may replace the functions of the runtime. */
export interface Network {
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** A class like the browser's WebSocket. In Node it gets `{ headers }` as its second argument, as `ws` and undici do. */
  readonly WebSocket?: (new (url: string, options?: never) => WebSocket) | undefined;
  /** Headers of every request. A browser's WebSocket cannot send them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whether cookies are sent to another origin. Default true, as in SignalR. */
  readonly withCredentials?: boolean | undefined;
}

export interface OpenRequest extends Network {
  /** The http or https URL to connect to, complete but for the token. */
  readonly url: URL;
  readonly token: string | undefined;
  /** The largest message that may be received, in bytes. */
  readonly maxMessageBytes: number;
  /** Gives another token if the server refuses this one later. Undefined if the token came from a redirect. */
  readonly accessToken?: AccessToken | undefined;
  /** Aborts the attempt, or closes the open pipe: the transport MUST then send waiting messages and release its resources. */
  readonly signal: AbortSignal;
  /** Gets the data that the pipe receives, from the first byte on. */
  receive(wire: Wire): void;
}

/** A transport, such as WebSockets. Bundlers leave out transports that the application does not import. */
export interface Transport {
  /** The name of the transport in the response of negotiate. */
  readonly name: TransportName;
  /** Connects. @throws HublineError `unauthorized`, `forbidden` or `negotiation_failed` */
  open(request: OpenRequest): Promise<Pipe>;
}
