import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Batch, Format } from './batch.ts';
import { PostInbox } from './post-inbox.ts';
import type { Transport, TransportListener } from './transport.ts';

export const rawFormat: Format = (messages) =>
  Buffer.concat(messages.map((message) => (typeof message === 'string' ? Buffer.from(message) : message)));

export interface LongPollingOptions {
  /** How long a poll is held when there is nothing to say. */
  readonly pollTimeoutMs: number;
  /** How long the next poll may take to come. */
  readonly disconnectTimeoutMs: number;
  readonly accept: (transport: Transport) => TransportListener;
}

/**
 * A request that is held until there is something to say, again and again; the client sends by POST. The pipe is open
 * although no request may be there: what is written meanwhile waits for the next one (TransportProtocols.md).
 */
export class LongPollingTransport implements Transport {
  readonly name = 'LongPolling';
  readonly carriesBytes = true;
  readonly inherentKeepAlive = true;
  format: 'text' | 'binary' = 'text'; // both are bytes here
  readonly #options: LongPollingOptions;
  readonly #listener: TransportListener;
  readonly #inbox: PostInbox;
  readonly #drained: (() => void)[] = [];
  #waiting: Buffer[] = [];
  #bufferedBytes = 0;
  #poll: { readonly response: ServerResponse; readonly headers: Readonly<Record<string, string>> } | undefined;
  /** Since the poll came, or since the last one was answered. */
  #waitedMs = 0;
  #ended = false;
  #closed = false;

  constructor(options: LongPollingOptions) {
    this.#options = options;
    this.#listener = options.accept(this);
    this.#inbox = new PostInbox((chunk) => this.#listener.receive(chunk));
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Holds a request. A newer one takes the place of an older one, which is told that this was the end of it. */
  poll(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    this.#answer(204);
    this.#poll = { response, headers };
    this.#waitedMs = 0;
    response.on('close', () => {
      if (this.#poll?.response === response) this.#poll = undefined; // the client has given up on it
    });
    this.#speak();
  }

  write(batch: Batch): void {
    if (this.#ended) return;
    const bytes = batch.as(rawFormat);
    this.#waiting.push(bytes);
    this.#bufferedBytes += bytes.length;
    this.#speak();
  }

  onceDrained(then: () => void): void {
    if (this.#bufferedBytes === 0 || this.#closed) then();
    else this.#drained.push(then);
  }

  post(incoming: IncomingMessage): Promise<void> {
    return this.#inbox.post(incoming);
  }

  pause(): void {
    this.#inbox.pause();
  }

  resume(): void {
    this.#inbox.resume();
  }

  beat(ms: number): void {
    this.#waitedMs += ms;
    if (this.#poll) {
      if (this.#waitedMs >= this.#options.pollTimeoutMs) this.#answer(200);
    } else if (this.#waitedMs >= this.#options.disconnectTimeoutMs) {
      this.#close(1006);
    }
  }

  /** What waits is still fetched; the poll after it hears that this is the end. */
  close(): void {
    this.#ended = true;
    this.#inbox.resume(); // a post that waits is answered
    this.#speak();
  }

  /** The client says goodbye: its poll, if one is there, is over. */
  leave(): void {
    this.#ended = true;
    this.#inbox.resume();
    this.#close(1000);
  }

  destroy(): void {
    this.#ended = true;
    this.#inbox.resume();
    this.#poll?.response.destroy();
    this.#poll = undefined;
    this.#close(1006);
  }

  #speak(): void {
    if (!this.#poll) return;
    if (this.#waiting.length > 0) {
      const bytes = Buffer.concat(this.#waiting);
      this.#waiting = [];
      this.#bufferedBytes = 0;
      this.#answer(200, bytes);
      for (const then of this.#drained.splice(0)) then();
    } else if (this.#ended) {
      this.#answer(204);
      this.#close(1000);
    }
  }

  #answer(status: 200 | 204, body: Buffer = Buffer.alloc(0)): void {
    const poll = this.#poll;
    this.#poll = undefined;
    this.#waitedMs = 0;
    const length = status === 200 ? { 'content-type': 'application/octet-stream', 'content-length': body.length } : {};
    poll?.response.writeHead(status, { ...poll.headers, ...length, 'cache-control': 'no-cache,no-store' }).end(body);
  }

  #close(code: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#answer(204);
    for (const then of this.#drained.splice(0)) then();
    this.#listener.closed({ code });
  }
}
