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
  /** The last poll is over, and the next one has not arrived. */
  | { readonly name: 'none' }
  | HeldPoll
  /** The answer is being sent. A poll that arrives meanwhile is `next`. */
  | { readonly name: 'answered'; readonly response: ServerResponse; readonly stall: StallDetector; next: HeldPoll | undefined };

const NONE: Poll = { name: 'none' };
const NOTHING = Buffer.alloc(0);
const NOT_CACHED = { 'cache-control': 'no-cache,no-store' };

/**
 * Sends messages as answers to requests (polls), which are held until there are messages; the client sends by POST. The transport stays
 * open between two polls: messages wait for the next one (TransportProtocols.md).
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
   * Holds a poll, and answers an older one with nothing. While an answer is being sent the next poll waits, as in ASP.NET Core: otherwise a
   * client could leave any number of answers unread.
   */
  poll(response: ServerResponse, headers: Headers): void {
    this.#answerOlder();
    const poll: HeldPoll = { name: 'held', response, headers };
    onceResponseEnded(response, () => this.#pollEnded(response));
    if (this.#poll.name === 'answered') {
      this.#poll.next = poll;
      return;
    }
    this.#setPoll(poll);
    this.#flush();
  }

  write(batch: Batch): void {
    if (this.#ended) return;
    const bytes = batch.as(rawFormat);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#flush();
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

  /** Closes the transport after the next poll has got the waiting messages. */
  close(): void {
    this.#ended = true;
    this.#posts.resume(); // a post that waits is answered
    this.#flush();
  }

  /** Ends the connection after the client's DELETE, and answers an open poll. */
  deletedByClient(): void {
    this.#close(1000);
  }

  destroy(): void {
    if (this.#poll.name !== 'none') this.#poll.response.destroy();
    this.#close(1006);
  }

  #flush(): void {
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
    this.#setPoll({ name: 'answered', response, stall: new StallDetector(response.req.socket, this.#timeouts.sendMs), next: undefined });
    const { length } = body;
    response.writeHead(200, { ...headers, ...NOT_CACHED, 'content-type': 'application/octet-stream', 'content-length': length }).end(body);
    // If the answer does not arrive its messages are lost, so the connection ends: the client notices when it reconnects.
    if (length > 0) onceResponseEnded(response, (taken) => taken || this.destroy());
  }

  /** Answers the older poll, which a newer one replaces. */
  #answerOlder(): void {
    const poll = this.#poll;
    const waiting = poll.name === 'answered' ? poll.next : poll;
    if (waiting?.name !== 'held') return;
    if (poll.name === 'answered') poll.next = undefined;
    else this.#setPoll(NONE);
    waiting.response.writeHead(204, { ...waiting.headers, ...NOT_CACHED }).end();
  }

  /** The client has read the answer, or has cancelled the poll. */
  #pollEnded(response: ServerResponse): void {
    const poll = this.#poll;
    if (poll.name === 'answered' && poll.next?.response === response) poll.next = undefined;
    if (poll.name !== 'none' && poll.response === response) {
      this.#setPoll((poll.name === 'answered' && poll.next) || NONE);
      this.#flush();
    }
    this.#drain();
  }

  #setPoll(poll: Poll): void {
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
    this.#answerOlder();
    this.#drain();
    this.#listener.closed({ code });
  }
}
