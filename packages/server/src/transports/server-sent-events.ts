import type { ServerResponse } from 'node:http';
import { onceResponseEnded } from './socket-events.ts';
import type { Batch, Format } from './batch.ts';
import type { Body } from './body.ts';
import { onceDrained } from './drained.ts';
import { HttpPostQueue } from './http-post-queue.ts';
import { StallDetector } from './stall-detector.ts';
import type { Transport, TransportEnd, TransportListener } from './transport.ts';

/** One unnamed event of all messages; a line break inside begins another data line (HTML standard, 9.2.6). */
export const eventFormat: Format = (messages) => {
  const lines = messages
    .map((message) => (typeof message === 'string' ? message : Buffer.from(message).toString()))
    .join('')
    .split(/\r\n|\r|\n/);
  return Buffer.from(`${lines.map((line) => `data: ${line}\r\n`).join('')}\r\n`);
};

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache,no-store',
  pragma: 'no-cache',
  'content-encoding': 'identity', // a compressing proxy would hold events back
  'x-accel-buffering': 'no', // and so would nginx
};

/** Sends messages in one response that stays open; the client sends by POST. */
export class ServerSentEventsTransport implements Transport {
  readonly name = 'ServerSentEvents';
  readonly carriesBytes = false;
  readonly readAheadBytes = 0; // a post is answered when its body has been taken
  readonly silentMs = 0;
  readonly inherentKeepAlive = false;
  format = 'text' as const;
  readonly #response: ServerResponse;
  readonly #posts: HttpPostQueue;
  readonly #stall: StallDetector;

  constructor(response: ServerResponse, { headers, sendMs, accept }: EventStreamOptions) {
    this.#response = response;
    this.#stall = new StallDetector(response.req.socket, sendMs);
    const listener = accept(this);
    const utf8 = new TextDecoder();
    // Decoded as a stream: a character may be split over two chunks.
    this.#posts = new HttpPostQueue((chunk) => listener.receive(utf8.decode(chunk, { stream: true }), true));
    let end: TransportEnd = { code: 1006 };
    response.on('error', (error) => (end = { code: 1006, error })); // always followed by `close`
    onceResponseEnded(response, (taken) => listener.closed(taken ? { code: 1000 } : end));
    response.writeHead(200, { ...headers, ...EVENT_STREAM_HEADERS });
    response.write(':\r\n'); // Firefox reports the stream as open only when data has arrived
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  write(batch: Batch): void {
    if (!this.#response.writableEnded) this.#response.write(batch.as(eventFormat));
  }

  onceDrained(then: () => void): void {
    onceDrained(this.#response, then);
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
    if (this.#stall.check(ms)) this.destroy();
  }

  close(): void {
    this.#posts.resume(); // a post that waits is answered
    this.#response.end();
  }

  destroy(): void {
    this.#posts.resume();
    this.#response.destroy();
  }
}

export interface EventStreamOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** How long the client may read nothing while data is buffered for it. */
  readonly sendMs: number;
  readonly accept: (transport: Transport) => TransportListener;
}
