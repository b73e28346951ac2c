import type { ServerResponse } from 'node:http';
import { onceResponseEnded } from './socket-events.ts';
import type { Batch, Format } from './batch.ts';
import type { Body } from './body.ts';
import { HttpPostQueue } from './http-post-queue.ts';
import { StallDetector } from './stall-detector.ts';
import type { Transport, TransportListener } from './transport.ts';

export const rawFormat: Format = (messages) =>
  Buffer.concat(messages.map((message) => (typeof message === 'string' ? Buffer.from(message) : message)));

/** Time limits, in milliseconds. */
export interface LongPollingTimeouts {
  /** Long polling: how long a poll is held. Default 90000. */
  readonly pollMs: number;
  /** Long polling: how long the next poll may take to come. Default 15000. */
  readonly disconnectMs: number;
  /** How long a client may read nothing while data is buffered for it. Default 10000. */
  readonly sendMs: number;
}

type Headers = Readonly<Record<string, string>>;

interface HeldPoll {
  readonly name: 'held';
  readonly response: ServerResponse;
  readonly headers: Headers;
}

/** The state of the current poll. */
type Poll =
  /** The last one is over, and the next one has not come. */
  | { readonly name: 'none' }
  | HeldPoll
  /** Its answer is on its way. A poll that comes meanwhile is next. */
  | { readonly name: 'answered'; readonly response: ServerResponse; readonly stall: StallDetector; next: HeldPoll | undefined };

const NONE: Poll = { name: 'none' };
const NOTHING = Buffer.alloc(0);
const NOT_CACHED = { 'cache-control': 'no-cache,no-store' };

/**
 * Sends by requests (polls) that are held until there are messages; the client sends by POST. The transport is open
 * also between two polls: messages wait for the next one (TransportProtocols.md).
 */
export class LongPollingTransport implements Transport {
  readonly name = 'LongPolling';
  readonly carriesBytes = true;
  readonly readAheadBytes = 0; // a post is answered when its body has been taken
  readonly silentMs = 0;
  readonly inherentKeepAlive = true;
  format: 'text' | 'binary' = 'text'; // both are bytes here
  readonly #timeouts: LongPollingTimeouts;
  readonly #listener: TransportListener;
  readonly #posts: HttpPostQueue;
  readonly #drained: (() => void)[] = [];
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #poll: Poll = NONE;
  /** Milliseconds since the poll arrived, or since the last one ended. */
  #waitedMs = 0;
  #ended = false;
  #closed = false;

  constructor(timeouts: LongPollingTimeouts, accept: (transport: Transport) => TransportListener) {
    this.#timeouts = timeouts;
    this.#listener = accept(this);
    this.#posts = new HttpPostQueue((chunk) => this.#listener.receive(chunk, true));
  }

  get bufferedBytes(): number {
    return this.#waitingBytes + (this.#poll.name === 'answered' ? this.#poll.response.writableLength : 0);
  }

  /**
   * Holds a poll. A newer one replaces an older one, which is answered. While an answer is on its way the next one waits, as in ASP.NET
   * Core: otherwise a client could leave any number of answers unread.
   */
  poll(response: ServerResponse, headers: Headers): void {
    this.#release();
    const poll: HeldPoll = { name: 'held', response, headers };
    onceResponseEnded(response, () => this.#over(response));
    if (this.#poll.name === 'answered') {
      this.#poll.next = poll;
      return;
    }
    this.#become(poll);
    this.#speak();
  }

  write(batch: Batch): void {
    if (this.#ended) return;
    const bytes = batch.as(rawFormat);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#speak();
  }

  onceDrained(then: () => void): void {
    if (this.bufferedBytes === 0 || this.#closed) then();
    else this.#drained.push(then);
  }

  post(body: Body): Promise<void> {
    return this.#posts.post(body);
  }

  pause(): void {
    this.#posts.pause();
  }

  resume(): void {
    this.#posts.resume();
  }

  heartbeat(ms: number): void {
    this.#waitedMs += ms;
    const { pollMs, disconnectMs } = this.#timeouts;
    const poll = this.#poll;
    if (poll.name === 'held') {
      if (this.#waitedMs >= pollMs) this.#answer(poll);
    } else if (poll.name === 'answered') {
      if (poll.stall.check(ms)) this.destroy();
    } else if (this.#waitedMs >= disconnectMs) {
      this.#close(1006);
    }
  }

  /** Closes: the next poll still gets the waiting messages, and the one after it the end. */
  close(): void {
    this.#ended = true;
    this.#posts.resume(); // a post that waits is answered
    this.#speak();
  }

  /** Ends the connection after the client's DELETE, and answers an open poll. */
  deletedByClient(): void {
    this.#close(1000);
  }

  destroy(): void {
    if (this.#poll.name !== 'none') this.#poll.response.destroy();
    this.#close(1006);
  }

  #speak(): void {
    const poll = this.#poll;
    if (poll.name !== 'held') return;
    if (this.#waiting.length > 0) {
      const bytes = Buffer.concat(this.#waiting);
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#answer(poll, bytes);
    } else if (this.#ended) {
      this.#close(1000);
    }
  }

  #answer({ response, headers }: HeldPoll, body: Buffer = NOTHING): void {
    this.#become({ name: 'answered', response, stall: new StallDetector(response.req.socket, this.#timeouts.sendMs), next: undefined });
    const { length } = body;
    response.writeHead(200, { ...headers, ...NOT_CACHED, 'content-type': 'application/octet-stream', 'content-length': length }).end(body);
    // Messages in a lost answer are lost: the connection ends, so that a client that is back does not miss them unnoticed.
    if (length > 0) onceResponseEnded(response, (taken) => taken || this.destroy());
  }

  /** Ends the older poll, which a newer one has replaced. */
  #release(): void {
    const poll = this.#poll;
    const waiting = poll.name === 'answered' ? poll.next : poll;
    if (waiting?.name !== 'held') return;
    if (poll.name === 'answered') poll.next = undefined;
    else this.#become(NONE);
    waiting.response.writeHead(204, { ...waiting.headers, ...NOT_CACHED }).end();
  }

  /** The answer has been taken, or the client has given up on the poll. */
  #over(response: ServerResponse): void {
    const poll = this.#poll;
    if (poll.name === 'answered' && poll.next?.response === response) poll.next = undefined;
    if (poll.name !== 'none' && poll.response === response) {
      this.#become((poll.name === 'answered' && poll.next) || NONE);
      this.#speak();
    }
    this.#drain();
  }

  #become(poll: Poll): void {
    this.#poll = poll;
    this.#waitedMs = 0;
  }

  #drain(): void {
    if (this.bufferedBytes === 0 || this.#closed) for (const then of this.#drained.splice(0)) then();
  }

  #close(code: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    this.#posts.resume();
    this.#release();
    this.#drain();
    this.#listener.closed({ code });
  }
}
