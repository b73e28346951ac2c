import type { Redis } from 'ioredis';
import { unavailable } from './unavailable.ts';

/** A Redis command. The first argument is its key. */
export type Command = readonly [name: string, ...args: (string | number | Buffer)[]];

export interface ConnectionObserver {
  /** Commands can be sent. */
  ready(): void;
  /** The connection, or the attempt to connect, was lost. Commands in flight have failed. */
  lost(cause: Error): void;
}

/** Errors of a Redis that is no working master (yet): the client has to find another one, or wait. */
const NO_MASTER = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN) /;

/** The number of timers for one time limit: time in which this process is held up counts for one of them at most. */
const STEPS = 4;

/** One connection to one Redis. It counts as lost when an answer is awaited, and nothing is received for longer than the time limit. */
export class RedisConnection {
  readonly redis: Redis;
  readonly #timeoutMs: number;
  readonly #observer: ConnectionObserver;
  #isUp = false;
  #cause: Error | undefined;
  #connecting: NodeJS.Timeout | undefined;
  #stopWaiting = (): void => undefined;

  constructor(redis: Redis, timeoutMs: number, observer: ConnectionObserver) {
    this.redis = redis;
    this.#timeoutMs = timeoutMs;
    this.#observer = observer;
    // Reported with the loss; without a listener ioredis would print it. An error over several addresses has no text.
    redis.on('error', (error: NodeJS.ErrnoException) => {
      this.#cause = unavailable(`The connection to Redis failed: ${error.message || error.code}`, error);
    });
    redis.on('connect', () => {
      // A paused Redis accepts connections and does not answer.
      this.#stopWaiting = this.#cutUnless('The handshake');
    });
    const ready = (): void => {
      this.#stopWaiting();
      clearTimeout(this.#connecting);
      this.#cause = undefined;
      this.#isUp = true;
      observer.ready();
    };
    redis.on('ready', ready);
    redis.on('close', () => {
      this.#stopWaiting();
      this.#isUp = false;
      observer.lost(this.#cause ?? unavailable('The connection to Redis was closed.'));
      this.#expectConnection();
    });
    this.#expectConnection();
    if (redis.status === 'ready') queueMicrotask(ready);
  }

  get isReady(): boolean {
    return this.#isUp && this.redis.status === 'ready';
  }

  /**
   * Sends commands as one pipeline, and returns their answers. An answer may be an Error that Redis gave for that command.
   * @throws HublineError `backplane_unavailable` where an answer is lost
   */
  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    if (commands.length === 0) return [];
    if (!this.isReady) throw unavailable('There is no connection to Redis.');
    const stopWaiting = this.#cutUnless(String(commands[0]?.[0]));
    try {
      const replies = (await this.redis.pipeline(commands as unknown as unknown[][]).exec()) ?? [];
      const answers = replies.map(([error, reply]) => {
        if (!error) return reply;
        if (error.name === 'ReplyError') return error;
        throw unavailable('The connection to Redis was lost.', error);
      });
      const elsewhere = answers.find((answer) => answer instanceof Error && NO_MASTER.test(answer.message)) as Error | undefined;
      if (elsewhere) throw unavailable(`This Redis is not a master that can be written to: ${elsewhere.message}`, elsewhere);
      return answers;
    } catch (error) {
      this.#lose(error as Error);
      throw error;
    } finally {
      stopWaiting();
    }
  }

  /** Waits for an answer as long as for any other. */
  async within<T>(what: string, answer: Promise<T>): Promise<T> {
    const stopWaiting = this.#cutUnless(what);
    try {
      return await answer;
    } catch (cause) {
      const error = unavailable(`${what} failed: ${(cause as Error).message}`, cause);
      if ((cause as Error).name !== 'ReplyError' || NO_MASTER.test((cause as Error).message)) this.#lose(error);
      throw error;
    } finally {
      stopWaiting();
    }
  }

  close(): void {
    this.#stopWaiting();
    clearTimeout(this.#connecting);
    this.redis.removeAllListeners();
    this.redis.on('error', () => undefined); // errors of a closed connection are ignored
    this.redis.disconnect();
  }

  /** Reports the loss before the lost answers are rejected: the socket's own event may come later. */
  #lose(cause: Error): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.redis.stream.destroy();
    this.#observer.lost(this.#cause ?? cause);
  }

  /** While no sentinel can be reached ioredis goes on looking for a master, and closes nothing. */
  #expectConnection(): void {
    clearTimeout(this.#connecting);
    this.#connecting = setTimeout(() => {
      this.#observer.lost(this.#cause ?? unavailable(`No connection to Redis within ${this.#timeoutMs} ms.`));
      this.#expectConnection();
    }, this.#timeoutMs).unref();
  }

  /** ioredis has no socket before it first connects. */
  get #bytesRead(): number {
    const socket: { readonly bytesRead: number } | undefined = this.redis.stream;
    return socket?.bytesRead ?? 0;
  }

  /**
   * Cuts the connection after a silence of the time limit: an answer may be queued behind megabytes of messages that still arrive. The time
   * runs only while this process does: held up itself, a process has not waited for Redis, and the answer may be there already.
   */
  #cutUnless(what: string): () => void {
    let since = performance.now();
    let received = this.#bytesRead;
    let left = STEPS;
    let timer: NodeJS.Timeout;
    const isSilent = (): boolean => {
      const before = received;
      received = this.#bytesRead;
      return received === before;
    };
    const wait = (): void => void (timer = setTimeout(step, this.#timeoutMs / STEPS).unref());
    const cut = (): void => {
      if (left < 0) return;
      if (!isSilent()) return restart();
      const busyMs = Math.round(performance.now() - since - this.#timeoutMs);
      const busy = busyMs > this.#timeoutMs / STEPS ? `, and this process was too busy to read for another ${busyMs} ms` : '';
      this.#cause = unavailable(`${what} was not answered by Redis within ${this.#timeoutMs} ms${busy}.`);
      this.redis.stream.destroy();
    };
    const restart = (): void => {
      since = performance.now();
      left = STEPS;
      wait();
    };
    const step = (): void => {
      left--;
      if (left === 0) setImmediate(() => setImmediate(cut));
      else if (isSilent()) wait();
      else restart();
    };
    wait();
    return () => {
      left = -1;
      clearTimeout(timer);
    };
  }
}

/** A key holds another type, or a counter another text, than it should: no node wrote it. */
export class WrongTypeError extends Error {
  override readonly name = 'WrongTypeError';
  readonly key: string;
  constructor(command: Command, cause: Error) {
    super(`Redis refused ${command[0].toUpperCase()} of ${String(command[1])}: ${cause.message}`, { cause });
    this.key = String(command[1]);
  }
}

const isWrongType = (reply: unknown): boolean =>
  reply instanceof Error && /^(WRONGTYPE|ERR (hash )?value is not an integer)/.test(reply.message);

/** Returns the answers. @throws HublineError for the first command that Redis refused, or WrongTypeError */
export function checked(commands: readonly Command[], replies: readonly unknown[]): readonly unknown[] {
  const at = replies.findIndex((reply) => reply instanceof Error);
  const command = commands[at];
  if (!command) return replies;
  const reply = replies[at] as Error;
  if (isWrongType(reply)) throw new WrongTypeError(command, reply);
  throw unavailable(`Redis refused ${command[0].toUpperCase()}: ${reply.message}`, reply);
}

/** The same, but for wrong types, which are answers. */
export function checkedReads(commands: readonly Command[], replies: readonly unknown[]): readonly unknown[] {
  checked(
    commands,
    replies.map((reply) => (isWrongType(reply) ? null : reply)),
  );
  return replies;
}

export const errorIn = (reply: unknown): Error | undefined => (reply instanceof Error ? reply : undefined);

/** Whether Redis answers and refuses the command: it has no memory left, or an ACL forbids it. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && error.cause.name === 'ReplyError' && !NO_MASTER.test(error.cause.message);
