import { after, asError, type HublineError, type Wire } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { bodyOf } from './body.ts';
import { createPostQueue } from './post-queue.ts';
import { refusal, refusalOf } from './refusal.ts';
import { request, uncached } from './request.ts';
import type { OpenRequest, Pipe, PipeEnd } from './transport.ts';

/** How long a goodbye may take. */
const CLOSE_MS = 2_000;

export interface HttpOptions {
  /**
   * How long the server may take to answer a request; then the connection is lost. Polls too: more than the server holds
   * one, which is 90 s by default here and there. Default 100,000.
   */
  readonly timeoutMs?: number | undefined;
}

/** What a way to receive needs of its pipe. */
export interface Port {
  /** Asks for what the server has to say, and reads it. @throws HublineError where the server refuses */
  get<T>(headers: Readonly<Record<string, string>>, read: (response: Response) => Promise<T>): Promise<T>;
  /** The server has answered. */
  opened(): void;
  receive(wire: Wire): void;
}

export interface HttpPipeOptions extends HttpOptions {
  /** Receives until the server says that it is over. */
  readonly run: (port: Port) => Promise<void>;
  /** Whether the pipe is made of polls: nobody pings, and who leaves says so. */
  readonly polls?: boolean;
}

/** What server-sent events and long polling share: they receive in their own ways, and send by POST. */
export function openHttpPipe(asked: OpenRequest, { run, polls = false, timeoutMs = 100_000 }: HttpPipeOptions): Promise<Pipe> {
  const { signal, receive, accessToken } = asked;
  let { token } = asked;
  /** Ends the request that receives; the other, every request. */
  const receiving = new AbortController();
  const all = new AbortController();
  /** The server has said that it is over. */
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
          await response.body?.cancel(); // it would hold its socket
          token = await accessToken({ fresh: true });
          response = await request({ ...asked, token }, init);
        }
        if (response.ok) return await read(response);
        throw await refusalOf(response, asked.url);
      } finally {
        undoTimer();
      }
    };

    /** Without an error: what waits is still sent. */
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
      // A goodbye that nobody hears: the server ends what is not polled.
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
    const port: Port = {
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

/** The answer to a post says nothing, and a bad server's may have no end. */
const readNothing = (response: Response): Promise<unknown> => bodyOf(response);
