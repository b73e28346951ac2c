import type { IncomingMessage, ServerResponse } from 'node:http';
import { untilClientGone } from './socket-events.ts';
import type { Attachment } from './attachment.ts';
import { Body } from './body.ts';
import { refuse, type Refusal } from './refusal.ts';

/** One HTTP request with its response, from its first line until the request is handled. */
export class HttpExchange {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** The HTTP server that received the request. */
  readonly attachment: Attachment;
  readonly body: Body;
  /** Aborts when the client has disconnected. */
  readonly clientGone: AbortSignal;
  /** The CORS headers of the response. */
  cors: Readonly<Record<string, string>> = {};
  readonly #stop: () => void;

  constructor(incoming: IncomingMessage, response: ServerResponse, attachment: Attachment) {
    this.incoming = incoming;
    this.response = response;
    this.attachment = attachment;
    const { clientGone, stop } = untilClientGone(incoming.socket);
    this.clientGone = clientGone;
    this.#stop = stop;
    this.body = new Body(incoming);
  }

  get method(): string | undefined {
    return this.incoming.method;
  }

  answer(status: number, headers: Readonly<Record<string, string | number>> = {}, body?: string): void {
    this.response.writeHead(status, { ...this.cors, ...headers }).end(body);
  }

  /** Answers with a refusal, unless the response has begun. */
  refuse(refusal: Refusal): void {
    this.body.discard();
    if (!this.response.headersSent) refuse(this.response, refusal, this.cors);
  }

  /** Stops watching for the client's disconnect. The response may go on: a poll is held, and a stream stays open. */
  handled(): void {
    this.#stop();
  }
}
