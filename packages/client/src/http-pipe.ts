import { after, asError, type HublineError, type Wire } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { readBody } from './response-body.ts';
import { createPostQueue } from './post-queue.ts';
import { refusal, refusalOf } from './refusal.ts';
import { request, uncached } from './request.ts';
import type { OpenRequest, Pipe, PipeEnd } from './transport.ts';

/** How long closing may take. */
const CLOSE_MS = 2_000;

export interface HttpOptions {
  /**
   * How long the server may take to answer a request, a poll included, before the connection ends. Default 100,000. Must be more than the
   * server holds a poll: 90 s by default in Hubline and in ASP.NET Core.
   */
  readonly timeoutMs?: number | undefined;
}

/** The part of the pipe that its transport uses to receive. */
export interface HttpReceiver {
  /** Sends a GET request and reads the response. @throws HublineError if the server refuses it */
  get<T>(headers: Readonly<Record<string, string>>, read: (response: Response) => Promise<T>): Promise<T>;
  /** Reports the first response: the pipe is open. */
  opened(): void;
  receive(wire: Wire): void;
}

export interface HttpPipeOptions extends HttpOptions {
  /** Receives until the server ends the connection. */
  readonly run: (port: HttpReceiver) => Promise<void>;
  /** Whether the pipe receives by polls. The client then sends no pings, and ends the connection with a DELETE. */
  readonly polls?: boolean;
}

/** Opens a pipe that sends by POST, for server-sent events and long polling. Each receives in its own way: `run`. */
export function openHttpPipe(asked: OpenRequest, { run, polls = false, timeoutMs = 100_000 }: HttpPipeOptions): Promise<Pipe> {
  const { signal, receive, accessToken } = asked;
  let { token } = asked;
  /** Aborts the request that receives. */
  const receiving = new AbortController();
  /** Aborts all other requests. */
  const all = new AbortController();
  /** Whether the server ended the connection. */
  let ended = false;
  let closing = false;

  return new Promise((resolve, reject) => {
    let settle: (end: PipeEnd) => void;
    const closed = new Promise<PipeEnd>((resolveClosed) => (settle = resolveClosed));
    const end = (error: Error): void => {
      settle({ reason: error.message, status: (error as Partial<HublineError<'negotiation_failed'>>).details?.status });
      reject(error);
    };

    const ask = async <T>(init: Parameters<typeof request>[1], read: (response: Response) => Promise<T>): Promise<T> => {
      const undoTimer = after(timeoutMs, () => void close(new Error(`No answer in ${timeoutMs} ms.`)));
      try {
        let response = await request({ ...asked, token }, init);
        if (response.status === 401 && accessToken) {
          await response.body?.cancel(); // an unread body would keep its socket busy
          token = await accessToken({ fresh: true });
          response = await request({ ...asked, token }, init);
        }
        if (response.ok) return await read(response);
        throw await refusalOf(response, asked.url);
      } finally {
        undoTimer();
      }
    };

    /** Closes the pipe. Without an error it sends the waiting messages first. */
    const close = async (error?: unknown): Promise<void> => {
      if (closing) return;
      closing = true;
      if (error) end(asError(error));
      const stop = (): void => {
        clearTimeout(timer);
        all.abort();
        end(refusal('The connection was closed.'));
      };
      const timer = setTimeout(stop, CLOSE_MS);
      if (!error) await posts.flushed();
      receiving.abort();
      await received;
      // A failure of this request is ignored: the server ends a connection that is not polled.
      if (polls && !ended) await ask({ method: 'DELETE', signal: all.signal }, readNothing).catch(() => {});
      stop();
    };

    const posts = createPostQueue(
      (body) => ask({ method: 'POST', body, signal: all.signal }, readNothing),
      (error) => void close(error),
    );
    const pipe: Pipe = {
      send(wire) {
        if (!closing) posts.send(wire);
      },
      closed,
      get bufferedAmount() {
        return posts.bufferedAmount;
      },
      polls,
    };
    const port: HttpReceiver = {
      get: (headers, read) => ask({ headers, ...uncached(), signal: receiving.signal }, read),
      opened: () => resolve(pipe),
      receive,
    };
    const received = run(port).then(
      () => {
        ended = true;
        void close(refusal('The server closed the connection.'));
      },
      (error: unknown) => void close(error),
    );
    onAbort(signal, () => void close());
  });
}

/** Reads and ignores a response, up to the limit of `readBody`. */
const readNothing = (response: Response): Promise<unknown> => readBody(response);
