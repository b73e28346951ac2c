import type * as Client from '@hubline/client';
import type * as MessagePack from '@hubline/client/messagepack';
import type { ConnectOptions, Observer, Peer, PeerConnection, Upload } from '@hubline/testing/interop';
import type { Difference } from './matrix.ts';

/** The parts of the Hubline client that the adapter uses. They are passed in, because pages load them from elsewhere. */
interface Library
  extends
    Pick<typeof Client, 'createHubConnection' | 'longPolling' | 'serverSentEvents' | 'webSockets'>,
    Pick<typeof MessagePack, 'messagePack'> {
  readonly WebSocket: typeof WebSocket;
}

type Methods = Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;
type Streams = Readonly<Record<string, (...args: readonly unknown[]) => AsyncIterable<unknown>>>;

export const HUBLINE = { name: '@hubline/client', version: '0.1.0' };

/** The behaviours that our client does not have in Node. */
export const HUBLINE_IN_NODE: readonly Difference[] = [
  {
    behaviour: 'keeps the cookies of the negotiation, without expired ones',
    why: 'fetch of Node stores no cookies; a program can pass a fetch that does; the hint to the node is also in the query',
  },
];

const NO_HEADERS = 'the WebSocket of a browser has no headers';

/** The behaviours that our client does not have in Chromium. */
export const HUBLINE_IN_CHROMIUM: readonly Difference[] = [
  { behaviour: 'sends its name in its headers', why: 'a header to another origin needs a preflight request; a WebSocket has no headers' },
  { behaviour: 'sends the given headers', transports: ['WebSockets'], why: NO_HEADERS },
  { behaviour: 'connects with a token in a header', transports: ['WebSockets'], why: NO_HEADERS },
  { behaviour: 'sends a given user agent instead of its own', why: 'Chromium does not let a page change its user agent' },
];

/** The adapter of the Hubline client. */
export const hublinePeer = (library: Library): Peer => ({
  ...HUBLINE,
  connect: (url, options) => new HublineConnection(library, url, options),
  upload: () => new PushedStream(),
});

class HublineConnection implements PeerConnection {
  /** Read at every attempt to connect, so `moveTo` can change it. */
  readonly #url: URL;
  readonly #hub: Client.HubConnection<object, object>;
  /** Aborts the requests and sockets of the connection. */
  #cut = new AbortController();

  constructor(library: Library, url: string, { transports, protocol, reconnects = false, ...options }: ConnectOptions) {
    const { createHubConnection, longPolling, serverSentEvents, webSockets, messagePack, WebSocket } = library;
    this.#url = new URL(url);
    const cut = (): AbortSignal => this.#cut.signal;
    class CutWebSocket extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        cut().addEventListener('abort', () => {
          (this as { readonly terminate?: () => void }).terminate?.(); // without a close frame, which only `ws` supports
          this.close();
        });
      }
    }
    this.#hub = createHubConnection({ name: 'testhub' } as never, this.#url, {
      ...options,
      transports: [webSockets(), serverSentEvents(), longPolling()].filter(({ name }) => transports.includes(name)),
      reconnect: typeof reconnects === 'function' ? { nextDelayMs: ({ attempt }) => reconnects(attempt) } : reconnects && { firstMs: 1 },
      fetch: (input, { signal, ...init } = {}) => fetch(input, { ...init, signal: AbortSignal.any([cut(), ...(signal ? [signal] : [])]) }),
      WebSocket: CutWebSocket,
      ...(protocol === 'messagepack' && { protocol: messagePack() }),
    });
  }

  get connectionId(): string | null {
    const { state } = this.#hub;
    return (state.name === 'connected' && state.connectionId) || null;
  }
  async start(): Promise<void> {
    await this.#hub.start().catch((error: unknown) => Promise.reject(asSignalRError(error as Client.AnyHublineError)));
  }
  stop(): Promise<void> {
    return this.#hub.stop();
  }
  async invoke(method: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#hub.call(method, args).catch((error: unknown) => Promise.reject(asSignalRError(error as Client.AnyHublineError, method)));
  }
  async send(method: string, ...args: readonly unknown[]): Promise<void> {
    await (this.#hub.send as unknown as Methods)[method]?.(...args);
  }
  stream(observer: Observer, method: string, ...args: readonly unknown[]): () => void {
    const cancel = new AbortController();
    const streams: Streams = this.#hub.with({ signal: cancel.signal }).stream;
    const stream = streams[method]?.(...args);
    void (async () => {
      try {
        for await (const item of stream ?? []) observer.next(item);
        observer.complete();
      } catch (error) {
        if (!cancel.signal.aborted) observer.error(error as Error);
      }
    })();
    return () => cancel.abort();
  }
  on(method: string, receive: (...args: readonly unknown[]) => unknown): void {
    const receiver = (...args: readonly unknown[]): unknown => {
      try {
        return receive(...args);
      } catch (error) {
        throw new Error(String(error)); // the client of SignalR also sends the name of an error
      }
    };
    this.#hub.receive({ [method]: receiver });
  }
  onClosed(then: (error?: Error) => void): void {
    this.#hub.on('closed', (error) => then(error && asSignalRError(error as Client.AnyHublineError)));
  }
  onReconnecting(then: () => void): void {
    this.#hub.on('reconnecting', () => then());
  }
  onReconnected(then: (connectionId: string | undefined) => void): void {
    this.#hub.on('reconnected', then);
  }
  moveTo(url: string): void {
    this.#url.href = url;
  }
  lose(): void {
    const cut = this.#cut;
    this.#cut = new AbortController();
    cut.abort();
  }
}

/** Converts an error to the text of SignalR, which the behaviours expect. */
function asSignalRError(error: Client.AnyHublineError, method?: string): Error {
  const { code, message, details, cause } = error;
  const { status } = details as { readonly status?: number };
  if (code === 'unauthorized' && !method)
    return new Error("Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'");
  if (code === 'timed_out') return new Error('Server timeout elapsed without receiving a message from the server.');
  if (code === 'hub_error' || code === 'not_encodable' || code === 'upload_failed') {
    return new Error(`An unexpected error occurred invoking '${method}' on the server. HubException: ${message}`);
  }
  if (code === 'negotiation_failed' && status) return new Error(`Status code '${status}'`);
  if (cause instanceof AggregateError) return new Error(`Unable to connect to the server with any of the available transports. ${message}`);
  return error;
}

/** A stream whose items are pushed from outside. */
class PushedStream implements Upload, AsyncIterable<unknown> {
  readonly #steps: (() => IteratorResult<unknown>)[] = [];
  #wake = (): void => {};

  next(item: unknown): void {
    this.#push(() => ({ done: false, value: item }));
  }
  complete(): void {
    this.#push(() => ({ done: true, value: undefined }));
  }
  error(error: Error): void {
    this.#push(() => {
      throw error;
    });
  }
  #push(step: () => IteratorResult<unknown>): void {
    this.#steps.push(step);
    this.#wake();
  }
  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return {
      next: async () => {
        while (this.#steps.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
        return this.#steps.shift()!();
      },
    };
  }
}
