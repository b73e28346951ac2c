import type { TransportName, Wire } from '@hubline/protocol';
import type { AccessToken } from './access-token.ts';

/** An open pipe: it is closed by the signal that it was opened with. There is no "opening" pipe: see {@link Transport}. */
export interface Pipe {
  /** Hands over encoded messages. Never throws: a broken pipe is reported once, through `closed`. */
  send(wire: Wire): void;
  /** Settles exactly once, whoever closed it, and within seconds of the signal. Never rejects. */
  readonly closed: Promise<PipeEnd>;
  /** Bytes that were sent and have not left yet. */
  readonly bufferedAmount: number;
  /** Asks for a sign of life below the messages, where the runtime can; it arrives as data without content. */
  readonly ping?: (() => void) | undefined;
  /** Made of requests that are answered or not: nobody pings, and silence says nothing. */
  readonly polls?: boolean;
}

export interface PipeEnd {
  /** The WebSocket close code, where there is one. */
  readonly closeCode?: number;
  /** The HTTP status of a refused request, where there is one. */
  readonly status?: number | undefined;
  readonly reason?: string;
}

/** What the user may replace in the environment. */
export interface Network {
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Constructs like the browser's; in Node it is given `{ headers }` as its second argument, as `ws` and undici take it. */
  readonly WebSocket?: (new (url: string, options?: never) => WebSocket) | undefined;
  /** Sent where the environment lets us: everywhere but on a browser's WebSocket. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whether cookies go to another origin. Default true, as in SignalR. */
  readonly withCredentials?: boolean | undefined;
}

export interface OpenRequest extends Network {
  /** Where to connect: http or https, with everything in its query but the token. */
  readonly url: URL;
  readonly token: string | undefined;
  /** The largest message, or event, in bytes. */
  readonly maxMessageBytes: number;
  /** For another token, when the server refuses this one later on. None where a redirect gave it. */
  readonly accessToken?: AccessToken | undefined;
  /** Calls the opening off, and closes the pipe that came of it: the transport MUST then flush, and keep nothing open. */
  readonly signal: AbortSignal;
  /** Bound before the first byte, so nothing can be missed. */
  receive(wire: Wire): void;
}

/** A way to reach a server. A value: who does not pass one does not ship it. */
export interface Transport {
  /** Its name in negotiate's answer. */
  readonly name: TransportName;
  /** @throws HublineError `unauthorized`, `forbidden` or `negotiation_failed` */
  open(request: OpenRequest): Promise<Pipe>;
}
