import type { Redis } from 'ioredis';
import { unavailable } from './unavailable.ts';

/** A Redis command. The first argument is its key. */
export type Command = readonly [name: string, ...args: (string | number | Buffer)[]];

export interface ConnectionObserver {
  /** Commands can be sent. */
  ready(): void;
  /** The connection was closed, or the attempt to connect has failed. Commands in flight have failed. */
  lost(cause: Error): void;
}

/** Errors of a Redis that is no working master, or not yet. The client has to find another one, or wait. */
const NO_MASTER = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN) /;

/** The number of timers for one time limit. A blocked event loop delays one of them, and so counts as a part of the limit at most. */
const STEPS = 4;

/** One connection to one Redis. It is closed if an answer is awaited and no byte arrives within the time limit. */
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
    // `lost` reports the error; without a listener ioredis would print it. An error over several addresses has no message.
    redis.on('error', (error: NodeJS.ErrnoException) => {
      this.#cause = unavailable(`The connection to Redis failed: ${error.message || error.code}`, error);
    });
    redis.on('connect', () => {
      // A paused Redis accepts connections and does not answer.
      this.#stopWaiting = this.#closeUnlessAnswered('The handshake');
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
   * @throws HublineError `backplane_unavailable` if an answer does not arrive
   */
  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    if (commands.length === 0) return [];
    if (!this.isReady) throw unavailable('There is no connection to Redis.');
    const stopWaiting = this.#closeUnlessAnswered(String(commands[0]?.[0]));
    try {
      const replies = (await this.redis.pipeline(commands as unknown as unknown[][]).exec()) ?? [];
      const answers = replies.map(([error, reply]) => {
        if (!error) return reply;
        if (error.name === 'ReplyError') return error;
        throw unavailable('The connection to Redis was lost.', error);
      });
      const refusal = answers.find((answer) => answer instanceof Error && NO_MASTER.test(answer.message)) as Error | undefined;
      if (refusal) throw unavailable(`This Redis is not a master that can be written to: ${refusal.message}`, refusal);
      return answers;
    } catch (error) {
      this.#reportLost(error as Error);
      throw error;
    } finally {
      stopWaiting();
    }
  }

  /** Awaits an answer of a command that was sent with the client itself, with the same time limit. */
  async within<T>(what: string, answer: Promise<T>): Promise<T> {
    const stopWaiting = this.#closeUnlessAnswered(what);
    try {
      return await answer;
    } catch (cause) {
      const error = unavailable(`${what} failed: ${(cause as Error).message}`, cause);
      if ((cause as Error).name !== 'ReplyError' || NO_MASTER.test((cause as Error).message)) this.#reportLost(error);
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

  /** Reports the end of the connection before commands in flight are rejected: the event of the socket may come later. */
  #reportLost(cause: Error): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.redis.stream.destroy();
    this.#observer.lost(this.#cause ?? cause);
  }

  /** Reports attempts to connect that take too long: while no sentinel can be reached, ioredis emits no event. */
  #expectConnection(): void {
    clearTimeout(this.#connecting);
    this.#connecting = setTimeout(() => {
      this.#observer.lost(this.#cause ?? unavailable(`No connection to Redis within ${this.#timeoutMs} ms.`));
      this.#expectConnection();
    }, this.#timeoutMs).unref();
  }

  /** The bytes that were received; 0 before the first connection, when ioredis has no socket. */
  get #bytesRead(): number {
    const socket: { readonly bytesRead: number } | undefined = this.redis.stream;
    return socket?.bytesRead ?? 0;
  }

  /**
   * Closes the connection unless the returned function is called, or bytes arrive, within the time limit: an answer may be queued behind
   * megabytes of messages. Time in which the event loop is blocked does not count, because the answer may be in the socket already.
   */
  #closeUnlessAnswered(what: string): () => void {
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
    const close = (): void => {
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
      if (left === 0) setImmediate(() => setImmediate(close));
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

/** Thrown for a key of an unexpected type, or a counter that is no number: no node has written it. */
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

/** Returns the answers. @throws HublineError, or WrongTypeError, for the first command that Redis refused */
export function checked(commands: readonly Command[], replies: readonly unknown[]): readonly unknown[] {
  const at = replies.findIndex((reply) => reply instanceof Error);
  const command = commands[at];
  if (!command) return replies;
  const reply = replies[at] as Error;
  if (isWrongType(reply)) throw new WrongTypeError(command, reply);
  throw unavailable(`Redis refused ${command[0].toUpperCase()}: ${reply.message}`, reply);
}

/** Returns the answers, including the errors about keys of an unexpected type. @throws HublineError for any other error */
export function checkedReads(commands: readonly Command[], replies: readonly unknown[]): readonly unknown[] {
  checked(
    commands,
    replies.map((reply) => (isWrongType(reply) ? null : reply)),
  );
  return replies;
}

export const errorIn = (reply: unknown): Error | undefined => (reply instanceof Error ? reply : undefined);

/** Whether Redis has refused a command, because it has no memory left or an ACL forbids it. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && error.cause.name === 'ReplyError' && !NO_MASTER.test(error.cause.message);
